"""Where notes may come from, with all that depends on it: ``SOURCES``, by the name that ``data.source`` takes.

The registry is here and not with the readers because a run config is checked without them. Adding one is an entry and
a reader of ``data.readers``.

Not for: reading notes (``data.sources``).
"""

from __future__ import annotations

from dataclasses import dataclass

SYNTHETIC, OWN = "synthetic", "own"
MIMIC_III, MIMIC_IV = "mimic-iii", "mimic-iv"
CSV, JSONL, JSON, PARQUET, XLSX, SQL = "csv", "jsonl", "json", "parquet", "xlsx", "sql"
OMOP, FHIR, I2B2, TEXT_FILES = "omop", "fhir", "i2b2", "text-files"
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
    may_be_file : bool
        Whether it may be one file as well.
    is_described : bool
        Whether a notes.toml says what the notes are, their source included.
    is_url : bool
        Whether data.path is the address of a database.
    is_flat : bool
        Whether the configuration names the columns, that of the label included; else they are a release's own.
    labels : tuple[str, ...]
        What data.label may name; empty where it names a column.
    text : str
        The column of the note where a notes.toml names none; empty where it has to.
    maker : str
        "module:function" of ``data`` that makes the notes where data.path does not name them: (configuration, number
        of hospitals or None) -> the configuration to read them by and names of sites; empty for notes of files.
    separate : str
        "module:function" of ``data`` that finds notes of several hospitals where a simulation need not divide one data
        set: (configuration, number of hospitals) -> a configuration for each, or none where it is one data set.
    """

    about: str
    reader: str
    is_folder: bool = False
    may_be_file: bool = False
    is_url: bool = False
    is_described: bool = False
    is_flat: bool = False
    labels: tuple[str, ...] = ()
    text: str = ""
    maker: str = ""
    separate: str = ""


SOURCES: dict[str, Source] = {
    SYNTHETIC: Source(
        "made-up hospitals",
        "mimic_iii:read_mimic_iii",
        is_folder=True,
        labels=LABEL_NAMES,
        maker="synthetic.source:make",
    ),
    OWN: Source(
        "what each hospital's notes.toml says",
        "",
        is_described=True,
        maker="own_notes:make",
        separate="own_notes:separate",
    ),
    MIMIC_III: Source("the folder of its tables", "mimic_iii:read_mimic_iii", is_folder=True, labels=LABEL_NAMES),
    MIMIC_IV: Source("the folder of its tables", "mimic_iv:read_mimic_iv", is_folder=True, labels=LABEL_NAMES),
    OMOP: Source("the folder of OMOP CDM tables", "omop:read_omop", is_folder=True, labels=LABEL_NAMES),
    FHIR: Source("the folder of a FHIR R4 bulk export", "fhir:read_fhir", is_folder=True, labels=LABEL_NAMES),
    I2B2: Source(
        "XML of i2b2 and n2c2, a file or a folder",
        "i2b2:read_i2b2",
        is_folder=True,
        may_be_file=True,
        is_flat=True,
        text="TEXT",
    ),
    TEXT_FILES: Source(
        "a folder of .txt files", "text_files:read_text_files", is_folder=True, is_flat=True, text="file"
    ),
    CSV: Source("one file of delimited text", "flat:read_csv", is_flat=True),
    JSONL: Source("one file, one JSON object a line", "flat:read_jsonl", is_flat=True),
    JSON: Source("one file, an array of JSON objects", "flat:read_json", is_flat=True),
    PARQUET: Source("one Parquet file", "flat:read_parquet", is_flat=True),
    XLSX: Source("one Excel workbook", "flat:read_xlsx", is_flat=True),
    SQL: Source("a query, in the hospital's notes.toml", "flat:read_sql", is_url=True, is_flat=True),
}
