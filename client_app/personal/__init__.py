"""Personal adapters: from the global adapter to the one that a hospital keeps for itself."""
