"""A profile run at a hospital: counts of its notes take the place of an update, and nothing is trained."""
