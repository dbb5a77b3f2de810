"""Attacks on vertical runs: what parties, the aggregator and a key holder find out about features, labels, patients."""
