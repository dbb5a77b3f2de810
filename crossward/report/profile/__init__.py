"""Do the hospitals fit together: the profile of a consortium's notes, in the report and on the terminal."""
