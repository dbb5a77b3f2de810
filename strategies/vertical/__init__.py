"""Vertical and transfer runs at the aggregator: a program of steps, and envelopes relayed unopened."""
