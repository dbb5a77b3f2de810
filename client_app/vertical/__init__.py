"""A party of a vertical run: it has some of the features of patients whom other parties know by others."""
