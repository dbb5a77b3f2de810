"""A node's local training: model, loop, measures, and the processes that share it."""
