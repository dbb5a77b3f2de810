"""A Grid with a virtual clock, and a toy learner: whole runs in tenths of a second, the same every time.

Not for: ``flwr run``'s own simulation, which needs nothing from here.
"""
