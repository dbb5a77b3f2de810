"""The audit trail of a run: its file, its chain of hashes."""
