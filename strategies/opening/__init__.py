"""Versions that a committee of hospitals opens: who its members are, what they are asked, what their answers make."""
