"""Hundreds of versions under faults of every kind, and what holds afterwards."""
