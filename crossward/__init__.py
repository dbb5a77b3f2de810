"""Crossward: hospitals fine-tune one language model together without sharing a record."""
