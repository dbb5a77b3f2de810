"""What people look at: the report page, its figures, tables and the live view. Drawn from the ledger."""
