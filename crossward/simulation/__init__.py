"""Whole runs in one process on a virtual clock: a Grid, a toy learner, and functions that put a run together.

Not for: ``flwr run``'s own simulation, which needs nothing from here.
"""
