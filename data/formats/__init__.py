"""File formats of notes: what a file is, how its text is encoded, how rows are told apart. Not for columns of notes."""
