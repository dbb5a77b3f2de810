"""Run config -> strategy -> run folder; checkpoints, ledger, report."""
