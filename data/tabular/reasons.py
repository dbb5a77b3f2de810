"""Why rows are left out that a table may well hold, since it is about more than the run: ``EXPECTED``."""

from __future__ import annotations

OUTSIDE_COHORT = "of a patient outside the cohort"
OUTSIDE_WINDOW = "outside the window"
NOT_USED = "of an item that is not used"
SUMMARY = "discharge summary, which states the outcome"
EXPECTED = (OUTSIDE_COHORT, OUTSIDE_WINDOW, NOT_USED, SUMMARY)
