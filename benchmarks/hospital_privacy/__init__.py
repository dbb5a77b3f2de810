"""What hospital-level privacy costs in quality."""
