"""One reader a source; each yields pieces of raw notes with the columns ``COLUMNS``. Cleaning comes after."""

from data.readers.flat import read_flat
from data.readers.mimic_iii import read_mimic_iii
from data.readers.mimic_iv import read_mimic_iv
from data.readers.pieces import COLUMNS, Counts

__all__ = ["COLUMNS", "Counts", "read_flat", "read_mimic_iii", "read_mimic_iv"]
