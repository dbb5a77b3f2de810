"""Made-up hospitals: MIMIC-shaped tables whose every patient, note and code was drawn from a generator.

For trying the whole application without credentials for real records, and for tests and benchmarks. Not for
medical conclusions: the text is plausible, the medicine is not.
"""
