"""Note categories of any source in common words."""

from __future__ import annotations

from typing import Any

import pytest

from crossward.config.data_settings import DataConfig
from crossward.config.harmonising import CATEGORIES
from data.harmonise.categories import Step
from data.harmonise.document_types import LOINC, WORDS


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ("Discharge summary", "discharge summary"),
        ("Physician ", "progress"),
        ("Nursing/other", "nursing"),
        ("Radiology", "radiology"),
        ("ECG", "cardiology"),
        ("Rehab Services", "therapy"),
        ("Case Management ", "social"),
        ("loinc:18842-5", "discharge summary"),
        ("http://loinc.org|34117-2", "history"),
        ("11504-8", "procedure"),
        ("11488-4", "consult"),
        ("34133-9", "discharge summary"),
        ("18748-4", "radiology"),
        ("operative  note", "procedure"),
        ("emergency", "emergency"),
        ("", ""),
        ("99999-9", ""),
        ("Arztbrief", ""),
    ],
)
def test_public_categories_are_known(piece: Any, described: Any, category: str, kind: str) -> None:
    assert Step(described())(piece(category=[category]))["kind"].to_pylist() == [kind]


def test_a_hospitals_own_mapping_comes_first_and_what_nobody_knows_is_named(piece: Any, described: Any) -> None:
    own = (("Arztbrief", "discharge summary"), ("Radiology", "other"), ("11488-4", "progress"))
    step = Step(described({"categories": own}))
    given = ["arztbrief", "Radiology", "loinc:11488-4", *["Aktenvermerk"] * 6, "Herr Meier"]
    assert step(piece(category=given))["kind"].to_pylist() == ["discharge summary", "other", "progress", *[""] * 7]
    said = step.report()
    assert "7 notes (Aktenvermerk, 1 not shown" in said and "Meier" not in said and "[categories]" in said
    plain = Step(DataConfig(source="csv"))  # where a column of sites may stand for categories
    assert plain(piece(category=["Ward 3"]))["kind"].to_pylist() == [""] and plain.report() == ""


def test_tables_hold_common_categories_only() -> None:
    assert set(LOINC.values()) | set(WORDS.values()) <= set(CATEGORIES)
    assert all(word == word.lower().strip() for word in WORDS) and len(LOINC) > 50
    check = {code: _check_digit(code.partition("-")[0]) for code in LOINC}
    assert all(code.endswith(f"-{digit}") for code, digit in check.items()), check


def _check_digit(number: str) -> int:
    """The check digit of a LOINC code: Luhn's, of modulus 10."""
    digits = [int(d) for d in reversed(number)]
    doubled = [sum(divmod(2 * d, 10)) if i % 2 == 0 else d for i, d in enumerate(digits)]
    return -sum(doubled) % 10
