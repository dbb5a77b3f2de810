"""How many nodes and versions a server handles."""
