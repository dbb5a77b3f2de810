"""Opening a global adapter and measuring it.

This package may import every other one; none may import it.
"""
