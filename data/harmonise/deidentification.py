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
    "person name names patient patientname doctor doctorname physician provider nurse clinician hcw relative family "
    "surname initials username user signature organization organisation institution hospital hospitalname facility "
    "clinic employer nrp profession"
)
_WHERE = "location address street city town country county state zip zipcode postcode room ward gpe"
_WHAT = (
    "date time datetime date_time dob birthdate age phone telephone fax pager email email_address url website ip "
    "ip_address phone_number ssn us_ssn us_itin us_passport us_driver_license us_bank_number uk_nhs es_nif es_nie "
    "it_fiscal_code sg_nric_fin au_abn au_acn au_tfn au_medicare in_pan in_aadhaar pl_pesel mrn medicalrecord "
    "medical_record id ids identifier idnum alphanumericid account account_number license medical_license passport "
    "credit_card iban_code crypto device serial vehicle biometric contact"
)
WORDS = frozenset(" ".join((_REMOVED, _WHO, _WHERE, _WHAT)).split())
"""Words that marks are made of, in lower case."""
_BESIDE = frozenset(("first", "last", "middle", "number", "num", "code", "record", "medical", "day", "month", "year"))
"""Words of marks beside another."""
_HEADINGS = frozenset(
    ("patient", "family", "hospital", "location", "time", "date", "age", "profession", "room", "ward", "contact")
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
_CANDIDATE = r"\[|<|\{\{|\*\*|XX|xx"


_JOINED = re.compile("[-_]")
_GLUE = re.compile(r"[\s#,:./_-]+")


def _is_mark(words: str) -> bool:
    parts = _PARTS.findall(words)
    if _GLUE.sub("", "".join(parts)) != _GLUE.sub("", words):
        return False
    named = [part for part in parts if part[0].isalpha()]
    lower = [
        one for part in named for one in ([part.lower()] if part.lower() in WORDS else _JOINED.split(part.lower()))
    ]
    if not any(word in WORDS for word in lower) or not all(word in WORDS or word in _BESIDE for word in lower):
        return False
    return all(part.isupper() for part in named) or (len(named) > 1 and all(part[0].isupper() for part in named))


def _bracket(found: re.Match[str]) -> str:
    words = next(group for group in found.groups() if group)
    if not _is_mark(words):
        return found[0]
    text, (start, end) = found.string, found.span()
    alone = (start == 0 or text[start - 1] == "\n") and (end == len(text) or text[end] in "\r\n")
    if alone and set(re.findall("[a-z]+", words.lower())) <= _HEADINGS:
        return found[0]  # it may be a heading
    return MARK


def _crossed(found: re.Match[str]) -> str:
    return MARK if sum(letter in "Xx" for letter in found[0]) > 3 else found[0]


def marked(text: str) -> str:
    """``text`` with one mark for whatever was removed from it."""
    if "[**" in text:
        text = _MIMIC.sub(MARK, text)
    if "<" in text:
        text = _INLINE.sub(MARK, text)
    if "**" in text:
        text = _DEID.sub(MARK, text)
    if "[" in text or "<" in text or "{{" in text:
        text = _BRACKETED.sub(_bracket, text)
    return _CROSSED.sub(_crossed, text) if "XX" in text or "xx" in text else text


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
