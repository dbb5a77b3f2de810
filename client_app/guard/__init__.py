"""What a hospital protects itself with: demands, selection, privacy budgets, refusals."""
