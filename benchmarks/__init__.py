"""Measurements of single rooms: ``python -m benchmarks.NAME --json FILE``."""
