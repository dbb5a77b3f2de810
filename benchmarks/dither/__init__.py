"""What the dither of versions costs."""
