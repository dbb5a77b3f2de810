"""Clipping, noise and accountants: mechanisms of differential privacy, and what they cost.

Not for: deciding where noise enters a run (``client_app``, ``strategies``).
"""
