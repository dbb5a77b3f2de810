"""A source is one entry: its reader, files and labels are found there, and nowhere else is its name asked for."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name

import pytest

import data
from crossward.config.data_settings import DataConfig
from crossward.config.data_sources import LABEL_NAMES, SOURCES, Source
from crossward.config.settings import SettingsError
from data.hospitals import load_hospital
from data.labels import LABELS
from data.sources import public_label

DATA = Path(data.__file__).parent


def test_the_names_that_a_run_may_give_are_those_of_the_registry() -> None:
    source = next(f for f in dataclasses.fields(DataConfig) if f.name == "source")
    assert set(source.metadata["choices"]) == set(SOURCES) and set(LABEL_NAMES) == set(LABELS)
    assert {label for entry in SOURCES.values() for label in entry.labels} == set(LABELS)


def test_what_an_entry_names_exists() -> None:
    for source in SOURCES.values():
        assert source.reader or source.maker
        assert not source.reader or callable(resolve_name(f"data.readers.{source.reader}"))
        assert not source.maker or callable(resolve_name(f"data.{source.maker}"))


def test_a_configuration_needs_no_reader() -> None:
    code = "import sys, data; data.DataConfig(source='mimic-iii', task='label'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "data" in loaded and not {"pyarrow", "numpy", "data.readers"} & set(loaded)


def test_no_module_asks_for_a_source_by_name() -> None:
    """The registry's own names aside: a source that makes notes names the one that they are read as."""
    found = [
        f"{path.relative_to(DATA)}:{node.lineno}"
        for path in sorted(DATA.rglob("*.py"))
        if path != DATA / "sources.py"
        for compared in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(compared, ast.Compare | ast.Dict | ast.Call) and "source" in ast.unparse(compared)
        for node in ast.walk(compared)
        if isinstance(node, ast.Constant) and node.value in {*SOURCES, "mimic"}
    ]
    assert not found


def test_a_label_that_a_source_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "mimic-iv", dataclasses.replace(SOURCES["mimic-iv"], labels=("icd-chapter",)))
    asked = DataConfig(source="mimic-iv", task="label", label="icd-chapter")
    assert public_label(asked) == LABELS["icd-chapter"]
    for label in ("mortality", "died"):
        with pytest.raises(
            SettingsError, match=f"'{label}' is no label of data.source = 'mimic-iv': set it to one of icd-c"
        ):
            DataConfig(source="mimic-iv", task="label", label=label)


def test_a_source_is_an_entry_and_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes of one text file each, read by a function that no module knows of."""
    (tmp_path / "reader_of_texts.py").write_text(
        "import pyarrow as pa\n"
        "from data.readers import COLUMNS\n"
        "def read(path, config, counts):\n"
        "    for file in sorted(path.glob('*.txt')):\n"
        "        counts['read'] += 1\n"
        "        row = dict.fromkeys(COLUMNS, '') | {'patient_id': file.stem, 'text': file.read_text()}\n"
        "        yield pa.table({name: [value] for name, value in row.items()})\n"
    )
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(5):
        (notes / f"{number}.txt").write_text(f"patient {number} was well")
    monkeypatch.setattr("data.readers.__path__", [*resolve_name("data.readers").__path__, str(tmp_path)])
    monkeypatch.setitem(SOURCES, "texts", Source("files of text", "reader_of_texts:read", is_folder=True))
    found = load_hospital(config := DataConfig(source="texts", path=str(notes)))
    assert len(found.train) + len(found.test) == 5 and found.name == "notes"
    (notes / "5.txt").write_text("patient 5 was well")  # a file that is stamped
    found = load_hospital(config)
    assert len(found.train) + len(found.test) == 6


def test_a_folder_may_have_columns_that_the_configuration_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A JSONL file a patient, read by the columns of one's own."""
    (tmp_path / "reader_of_folders.py").write_text(
        "import functools\n"
        "from data.jsonl_files import stream_jsonl\n"
        "from data.readers.flat import read_rows\n"
        "def stream(path, wanted, form, intake):\n"
        "    for file in sorted(path.glob('*.jsonl')):\n"
        "        yield from stream_jsonl(file, wanted, form, intake)\n"
        "read = functools.partial(read_rows, stream)\n"
    )
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(5):
        (notes / f"{number}.jsonl").write_text(f'{{"who": {number}, "said": "patient {number} was well"}}\n' * 2)
    monkeypatch.setattr("data.readers.__path__", [*resolve_name("data.readers").__path__, str(tmp_path)])
    source = Source("a folder of JSONL files", "reader_of_folders:read", is_folder=True, is_flat=True)
    monkeypatch.setitem(SOURCES, "folders", source)
    asked = DataConfig(source="folders", path=str(notes), text_column="said", patient_column="who")
    found = load_hospital(asked)
    assert {*found.train["patient_id"], *found.test["patient_id"]} == set("01234")
    labelled = dataclasses.replace(asked, task="label", label="outcome")
    assert labelled.label_column == "outcome" and public_label(labelled) is None
