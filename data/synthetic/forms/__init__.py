"""The same made-up patients as other systems export them: a module a form, and what all of them share.

Notes, patients, encounters and ids are those of the MIMIC-III tables (``data.synthetic.tables_iii``), and so are the
labels that follow from them. Not for: which forms there are (``data.synthetic.command``).
"""
