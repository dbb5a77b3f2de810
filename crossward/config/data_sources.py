"""Where notes may come from, with all that depends on it: ``SOURCES``, by the name that ``data.source`` takes.

The registry is here and not with the readers because a run config is checked without them. Adding one is an entry and
a reader of ``data.readers``.

Not for: reading notes (``data.sources``).
"""

from __future__ import annotations

from dataclasses import dataclass

SYNTHETIC, OWN = "synthetic", "own"
MIMIC_III, MIMIC_IV, CSV, JSONL = "mimic-iii", "mimic-iv", "csv", "jsonl"
MORTALITY, ICD_CHAPTER = "mortality", "icd-chapter"
LABEL_NAMES = (MORTALITY, ICD_CHAPTER)  # labels that MIMIC's tables give (``data.labels``)


@dataclass(frozen=True)
class Source:
    """One kind of notes.

    Parameters
    ----------
    about : str
        Its words in the settings' reference.
    reader : str
        "module:function" of ``data.readers``: (path, configuration, counts) -> pieces with the columns ``COLUMNS``.
    is_folder : bool
        Whether data.path is a folder rather than one file.
    is_url : bool
        Whether data.path is the address of a database.
    is_flat : bool
        Whether the configuration names the columns, that of the label included; else they are a release's own.
    labels : tuple[str, ...]
        What data.label may name; empty where it names a column.
    maker : str
        "module:function" of ``data`` that makes the notes where data.path does not name them: (configuration, number
        of hospitals or None) -> the configuration to read them by and names of sites; empty for notes of files.
    """

    about: str
    reader: str
    is_folder: bool = False
    is_url: bool = False
    is_flat: bool = False
    labels: tuple[str, ...] = ()
    maker: str = ""


SOURCES: dict[str, Source] = {
    SYNTHETIC: Source(
        "made-up hospitals",
        "mimic_iii:read_mimic_iii",
        is_folder=True,
        labels=LABEL_NAMES,
        maker="synthetic.source:make",
    ),
    OWN: Source("what each hospital's notes.toml says", "", maker="own_notes:make"),
    MIMIC_III: Source("the folder of its tables", "mimic_iii:read_mimic_iii", is_folder=True, labels=LABEL_NAMES),
    MIMIC_IV: Source("the folder of its tables", "mimic_iv:read_mimic_iv", is_folder=True, labels=LABEL_NAMES),
    CSV: Source("one file, plain or gzipped", "flat:read_csv", is_flat=True),
    JSONL: Source("one file, one JSON object a line, plain or gzipped", "flat:read_jsonl", is_flat=True),
}
