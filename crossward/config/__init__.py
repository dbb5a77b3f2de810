"""Every setting, typed and checked, read once at the door: ``run_config`` and ``node_config``."""
