"""Every notes.toml of the documentation is one, and its SQL makes the table that it says it makes."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from crossward.config.data_sources import SOURCES
from crossward.config.harmonising import CATEGORIES, STEPS
from crossward.config.notes_settings import COMMON_FIELDS
from crossward.config.notes_toml import KEYS, read_notes
from data.harmonise.vocabulary import chapters_of

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in ("own-data.md", "hospital.md")}
OWN = PAGES["own-data.md"]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)


@pytest.mark.parametrize("block", [block for text in PAGES.values() for block in blocks(text, "toml")])
def test_an_example_is_a_notes_toml(tmp_path: Path, block: str) -> None:
    (tmp_path / "notes.toml").write_text(block, encoding="utf-8")
    assert read_notes(tmp_path).source in SOURCES


def test_the_page_names_all_that_there_is() -> None:
    named = set(re.findall(r"`\[?([a-z0-9-]+)\]?`", OWN))
    every = {*KEYS, *STEPS, *COMMON_FIELDS, *(name for name, source in SOURCES.items() if not source.maker)}
    assert every <= named and all(f"`{category}`" in OWN for category in CATEGORIES)
    assert "LOINC is copyright" in OWN


def test_the_query_of_omop_vocabularies_makes_a_table(tmp_path: Path) -> None:
    (query,) = blocks(OWN, "sql")
    database = duckdb.connect()
    database.execute("create table concept (concept_id int, concept_code text, vocabulary_id text)")
    database.execute(
        "insert into concept values (1,'I50.9','ICD10CM'), (2,'J18.9','ICD10CM'), (3,'84114007','SNOMED'), "
        "(4,'x','LOINC')"
    )
    database.execute("create table concept_relationship (concept_id_1 int, concept_id_2 int, relationship_id text)")
    database.execute("insert into concept_relationship values (1,3,'Maps to'), (2,3,'Mapped from'), (4,3,'Maps to')")
    database.execute(f"copy ({query.rstrip().rstrip(';')}) to '{tmp_path / 'snomed.csv'}' (header)")
    assert chapters_of(tmp_path / "snomed.csv") == {"84114007": "circulatory"}
