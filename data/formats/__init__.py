"""File formats of notes: what a file is, how its text is encoded, how it splits into rows.

Not for: what columns mean (``data.readers``).
"""
