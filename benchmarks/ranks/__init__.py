"""Hospitals that train lower ranks than the run's."""
