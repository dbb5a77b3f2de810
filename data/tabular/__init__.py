"""Numbers of patients from tables: one row a patient (``table``), or one value a row with its time (``events``).

Readers take a ``PartyConfig``, count what they leave out under reasons, and return a ``PartyData``. Tables are
streamed: what is held is a number for each patient and feature. Not for notes (``data.readers``).
"""
