"""A hospital's node: local training, its state on disk, and how a delta becomes an update."""
