"""Speed and memory of reading notes."""
