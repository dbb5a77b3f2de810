"""One mark, MIMIC-IV's ``___``, for whatever a de-identification tool put in the place of what it removed.

Known are ``[** ... **]`` (MIMIC-III), ``[NAME]``, ``[Patient Name]``, ``<PERSON>``, ``{{DATE}}``, ``[REDACTED]``,
``**NAME[AAA]`` (De-ID), ``<PHI TYPE="DATE">...</PHI>`` (i2b2) and runs of X. Between brackets every word has to be one
of ``WORDS``, which name what is removed, in capitals or as a title of several: ``[WHY]``, ``[sic]``, ``<5`` and
``{{x}}`` are text. So is a bracket alone on its line that may be a heading.

Runs of asterisks are not taken for marks, as they are rulers and bullets, too; nor can names that a tool replaced by
made-up ones be told from others.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import DataConfig

MARK = "___"
_REMOVED = "redacted removed deleted masked withheld phi pii deidentified de-identified anonymized anonymised anon"
_WHO = (
    "person name names patient doctor physician provider nurse staff clinician hcw relative family first last middle "
    "surname initials username user signature organization organisation institution hospital facility clinic employer "
    "nrp profession"
)
_WHERE = "location address street city town state county country zip zipcode postcode place room ward unit gpe"
_WHAT = (
    "date time datetime date_time year month day dob birth birthdate age phone telephone fax pager email email_address "
    "url website ip ip_address phone_number us_ssn ssn mrn id ids identifier number num account account_number "
    "medical_record record license us_driver_license us_passport passport us_bank_number credit_card iban_code crypto "
    "medical_license device serial vehicle biometric contact"
)
WORDS = frozenset(" ".join((_REMOVED, _WHO, _WHERE, _WHAT)).split())
"""Words that marks are made of, in lower case."""
_HEADINGS = frozenset(
    ("patient", "family", "hospital", "location", "time", "date", "age", "profession", "room", "unit", "contact")
)

_BRACKETED = re.compile(
    r"\[\[?([A-Za-z][^\[\]<>{}\n]{1,40})\]\]?|<<?([A-Za-z][^\[\]<>{}\n]{1,40})>>?|\{\{([^{}\n]{2,40})\}\}"
)
_PARTS = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z]+)*|\d+|'s")
_DEID = re.compile(
    r"\*\*(?:NAME|INITIALS|DATE|INSTITUTION|PLACE|ADDRESS|STREET-ADDRESS|ZIP-CODE|PHONE|EMAIL|WEB-LOC|ID-NUM|SSN|"
    r"ACCESSION-NUMBER|AGE|ROOM|DEVICE-ID|PATH-NUMBER)\b(?:\[[^\]\n]{0,60}\])?"
)
_INLINE = re.compile(r"<PHI\b[^<>\n]{0,80}/>|<PHI\b[^<>\n]{0,80}>[^<>]{0,200}</PHI>", re.IGNORECASE)
_MIMIC = re.compile(r"\[\*\*[^\]]*\*\*\]")
_CROSSED = re.compile(r"(?<![\w/.-])(?:X{4,}|x{4,}|(?:X{1,5}[-/.]){1,4}X{1,5}|(?:x{2,4}/){1,2}x{2,4})(?![\w/-])")
_CANDIDATE = r"\[|<|\{\{|\*\*|XX|X[-/.]X|xx"


_GLUE = re.compile(r"[\s#,:./_-]+")


def _is_mark(words: str) -> bool:
    parts = _PARTS.findall(words)
    if _GLUE.sub("", "".join(parts)) != _GLUE.sub("", words):
        return False
    named = [part for part in parts if part[0].isalpha()]
    known = [part.lower() in WORDS or all(one in WORDS for one in re.split("[-_]", part.lower())) for part in named]
    if not named or not all(known):
        return False
    return all(part.isupper() for part in named) or (len(named) > 1 and all(part[0].isupper() for part in named))


def _bracket(found: re.Match[str]) -> str:
    words = next(group for group in found.groups() if group)
    if not _is_mark(words):
        return found[0]
    text, (start, end) = found.string, found.span()
    alone = (start == 0 or text[start - 1] == "\n") and (end == len(text) or text[end] in "\r\n")
    if alone and words.lower() in _HEADINGS:
        return found[0]
    return MARK


def _crossed(found: re.Match[str]) -> str:
    return MARK if sum(letter in "Xx" for letter in found[0]) > 3 else found[0]


def marked(text: str) -> str:
    """``text`` with one mark for whatever was removed from it."""
    for pattern in (_MIMIC, _INLINE, _DEID):
        text = pattern.sub(MARK, text)
    return _CROSSED.sub(_crossed, _BRACKETED.sub(_bracket, text))


class Step:
    """``text`` with one mark."""

    def __init__(self, config: DataConfig) -> None:
        del config

    def __call__(self, piece: pa.Table) -> pa.Table:
        """``piece`` with one mark in its texts."""
        texts = piece["text"].combine_chunks()
        candidates = pc.match_substring_regex(texts, _CANDIDATE)
        if not pc.any(candidates).as_py():
            return piece
        changed = [marked(text) for text in texts.filter(candidates).to_pylist()]
        found = pc.replace_with_mask(texts, candidates, pa.array(changed, texts.type))
        return piece.set_column(piece.schema.get_field_index("text"), "text", found)

    def report(self) -> str:
        """What is no mark stays as it is."""
        return ""
