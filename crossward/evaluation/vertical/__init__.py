"""Vertical and transfer runs, measured: every model on the same held-out patients, and models that predict alone."""
