"""A node's state on disk: the adapter's integers, residuals, ledger heads."""
