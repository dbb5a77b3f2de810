"""Clinical notes in, token batches out."""
