"""The training loop and a message's overhead, beside plain loops."""
