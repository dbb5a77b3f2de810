"""A cache folder of its own for every test, small made-up folders, and tokenizers that lack this or that."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from data.synthetic.tables import records
from data.synthetic.tables_iii import write_mimic_iii
from data.synthetic.tables_iv import write_mimic_iv


@pytest.fixture(autouse=True)
def fresh_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CROSSWARD_HOME, empty."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("CROSSWARD_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def mimic_iii(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up MIMIC-III folder of 60 patients in four hospitals."""
    folder = tmp_path_factory.mktemp("mimic-iii")
    write_mimic_iii(records(60, 4, seed=5), folder)
    return folder


@pytest.fixture(scope="session")
def mimic_iv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same patients as a gzipped MIMIC-IV folder."""
    folder = tmp_path_factory.mktemp("mimic-iv")
    write_mimic_iv(records(60, 4, seed=5), folder, compress=True)
    return folder


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as a CSV file and return its path."""

    def write(header: Sequence[str], rows: Sequence[Sequence[Any]], name: str = "notes.csv") -> Path:
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
        return path

    return write


@pytest.fixture
def make_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    """A tokenizer with one token a byte; special tokens only as given."""

    def make(**special: str) -> PreTrainedTokenizerFast:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {letter: index for index, letter in enumerate(alphabet)}
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)  # type: ignore[no-untyped-call]

    return make
