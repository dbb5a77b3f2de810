"""What a simulated message costs outside training."""
