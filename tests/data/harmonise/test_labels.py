"""One hospital's label is the same label elsewhere, whatever codes and spellings it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossward.config.notes_settings import LabelColumn
from data.errors import DataError
from data.harmonise.conditions import Chapters
from data.harmonise.labels import PUBLIC, Step
from data.harmonise.vocabulary import chapters_of
from data.labels import LABELS


def labels(piece: Any, config: Any, given: list[str]) -> tuple[list[str], str]:
    step = Step(config)
    return step(piece(label=given))["label"].to_pylist(), step.report()


def asked(described: Any, label: str, column: LabelColumn, **notes: Any) -> Any:
    return described({"labels": ((label, column),), **notes}, task="label", label=label)


def test_every_public_label_has_a_translation() -> None:
    assert set(PUBLIC) == set(LABELS)


@pytest.mark.parametrize(
    ("given", "outcomes"),
    [
        (["0", "1", ""], ["survived", "died", ""]),
        (["N", "Y", "no"], ["survived", "died", "survived"]),
        (["False", "TRUE"], ["survived", "died"]),
        (["alive", "Expired", "DEAD/EXPIRED", "survived"], ["survived", "died", "died", "survived"]),
        (["verstorben", "décédé", "home", "exp"], ["died", "died", "survived", "died"]),
        (["01", "20", "41", "62"], ["survived", "died", "died", "survived"]),
    ],
)
def test_outcomes_in_any_spelling(piece: Any, described: Any, given: list[str], outcomes: list[str]) -> None:
    assert labels(piece, asked(described, "mortality", LabelColumn("x")), given) == (outcomes, "")


def test_a_disposition_is_read_as_one_where_the_hospital_says_so(piece: Any, described: Any) -> None:
    config = asked(described, "mortality", LabelColumn("x", "disposition"))
    assert labels(piece, config, ["1", "2", "20", "07"])[0] == ["survived", "survived", "died", "survived"]


@pytest.mark.parametrize("given", [["1", "20"], ["20", "1"], ["01", "0"]])
def test_flags_and_dispositions_in_one_column_are_not_told_apart(piece: Any, described: Any, given: list[str]) -> None:
    with pytest.raises(
        DataError, match=r"column 'x' of label mortality holds .*, a discharge disposition and .*system ="
    ):
        labels(piece, asked(described, "mortality", LabelColumn("x")), given)


def test_the_hospitals_own_values_come_first_and_the_unknown_is_named(piece: Any, described: Any) -> None:
    column = LabelColumn("lebt", values=(("1", "survived"), ("2", "died")))
    got, said = labels(piece, asked(described, "mortality", column), ["1", "2", *["unklar"] * 5, "Herr Meier lebt"])
    assert got == ["survived", "died", *[""] * 6]
    assert "6 notes (unklar, 1 not shown" in said and "Meier" not in said and "[labels.mortality]" in said


CODES = [
    ("icd9:4280", "circulatory"),
    ("428.0", "circulatory"),
    ("V30.00", "other"),
    ("042", "infection"),
    ("icd10:I50.9", "circulatory"),
    ("I509", "circulatory"),
    ("E11.9", "endocrine"),
    ("E119", ""),  # E11.9 of ICD-10, or E119 of ICD-9
    ("icd10:E119", "endocrine"),
    ("icd9:E8700", "other"),
    ("D50.0", "blood"),
    ("D12.6", "neoplasm"),
    ("Z38.00", "other"),
    ("J18.9+", "respiratory"),
    ("http://hl7.org/fhir/sid/icd-10-cm|N17.9", "genitourinary"),
    ("http://fhir.de/CodeSystem/bfarm/icd-10-gm|N17.9", "genitourinary"),
    ("ICD-10-CM: K92.2", "digestive"),
    ("circulatory", "circulatory"),
    ("http://snomed.info/sct|84114007", ""),
    ("84114007", ""),
    ("pneumonia", ""),
]


@pytest.mark.parametrize(("code", "chapter"), CODES)
def test_codes_of_either_revision_come_to_one_chapter(piece: Any, described: Any, code: str, chapter: str) -> None:
    got, said = labels(piece, asked(described, "icd-chapter", LabelColumn("dx")), [code])
    assert got == [chapter] and bool(said) == (not chapter)


def test_a_column_of_one_system_need_not_name_it_in_each_code() -> None:
    assert Chapters("icd10")("E119") == "endocrine" and Chapters("icd9")("E8700") == "other"
    assert Chapters("icd10")("icd9:4280") == "circulatory"


def test_other_codes_by_the_hospitals_own_table(piece: Any, described: Any, tmp_path: Path) -> None:
    table = tmp_path / "codes.csv"
    table.write_text("Code;ICD10\nHF-1;I50.9\nHF-1;J18.9\nPN;J18.9\n")
    config = asked(described, "icd-chapter", LabelColumn("dx", "own"), vocabulary=(("own", str(table)),))
    assert labels(piece, config, ["HF-1", "PN", "XX"])[0] == ["circulatory", "respiratory", ""]


def test_a_map_of_rf2_is_read_as_it_is(tmp_path: Path) -> None:
    """By group, then priority; without a target a rule says nothing."""
    path = tmp_path / "map.txt"
    rows = [
        "active\treferencedComponentId\tmapGroup\tmapPriority\tmapTarget",
        "1\t100001\t2\t1\tJ18.9",
        "1\t100001\t1\t2\tI50.9",
        "1\t100001\t1\t1\t",
        "0\t100002\t1\t1\tI50.9",
    ]
    path.write_text("\r\n".join(rows))
    assert chapters_of(path) == {"100001": "circulatory"}
    assert Chapters("", {"snomed": chapters_of(path)})("snomed:100001") == "circulatory"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "the columns code and chapter, icd10 or icd9 were expected"),
        ("", "the columns code and chapter"),
        ("code,chapter\n1,heart\n", r"line 2: 'heart' is no chapter; known are infection"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=says):
        chapters_of(tmp_path / "t.csv")


def test_a_label_of_the_hospitals_own_stays_as_written_but_for_its_values(piece: Any, described: Any) -> None:
    config = asked(described, "readmitted", LabelColumn("r", values=(("J", "yes"), ("N", "no"))))
    assert labels(piece, config, ["J", "N", "maybe", "1"])[0] == ["yes", "no", "maybe", "1"]
    assert labels(piece, asked(described, "readmitted", LabelColumn("r")), ["true"])[0] == ["true"]
    assert labels(piece, described({"labels": (("mortality", LabelColumn("x")),)}), ["1"])[0] == [
        "1"
    ]  # of no label task
