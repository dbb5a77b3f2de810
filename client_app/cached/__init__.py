"""Cached updates at the nodes: what every node knows of all, and what a node knows of its own."""
