"""A party of a vertical or transfer run: aligns its patients with others', trains its part of a model, predicts.

Not for: hospitals with notes of different patients (the rooms beside this one); neither imports the other.
"""
