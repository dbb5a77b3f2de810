"""Mutated updates at the door of the server."""
