"""Training of a node on a GPU, with the shapes of a large model."""
