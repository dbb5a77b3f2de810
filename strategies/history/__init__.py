"""What the server knows of a run, and reading it back from the journal."""
