"""A hospital behind a slow, lossy link."""
