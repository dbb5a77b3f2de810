"""Made-up patients with laboratory values and vital signs, which decide with what notes say who dies: ``with_values``.

Several parties can so hold parts of what predicts one outcome. Item ids, labels and units are those that MIMIC
publishes; values, as notes, are plausible and no medicine. Not for notes alone (``data.synthetic.tables``), whose
patients and deaths stay as they are.
"""
