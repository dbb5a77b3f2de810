"""When a run ends: evaluation, convergence, privacy budgets."""
