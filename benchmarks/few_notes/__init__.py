"""How few patients a hospital may have and still gain, and how much joining is worth to it."""
