"""Clipping, noise and accountants: mechanisms of differential privacy. None is built yet.

Not for: deciding where noise enters a run (``client_app``, ``strategies``).
"""
