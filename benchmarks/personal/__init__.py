"""What personal adapters give, and what other ways to make them give."""
