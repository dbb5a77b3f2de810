"""Clipping, noise and accountants: mechanisms of differential privacy.

Not for: deciding where noise enters a run (``client_app``, ``strategies``).
"""
