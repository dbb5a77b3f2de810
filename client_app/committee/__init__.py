"""A hospital's side of the committee scheme: its keys, its sealing and opening, and its seat on the committee."""
