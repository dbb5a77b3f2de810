"""Weights, integer sums, versions, and what a node that missed some is sent."""
