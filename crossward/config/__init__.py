"""Every setting, typed and checked, read once at the door."""
