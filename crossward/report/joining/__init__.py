"""What joining brought each hospital: its adapters at home and elsewhere, in a table and a sentence.

Not for: measuring (``crossward.evaluation``).
"""
