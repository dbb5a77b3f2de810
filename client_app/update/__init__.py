"""From a delta to a sealed update: quantisation, noise, sensitivity, keys."""
