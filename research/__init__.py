"""Attacks on what a run reveals, and the comparison of methods. Not installed with the app."""
