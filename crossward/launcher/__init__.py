"""Starting a simulated run from the command line and telling the truth about how it ended."""
