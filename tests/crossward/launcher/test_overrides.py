"""Run-config overrides: every word counts, unknown keys are named, what is written reads back the same."""

from __future__ import annotations

import codecs
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossward.launcher.errors import LauncherError
from crossward.launcher.overrides import absolute_texts, app_defaults, flatten, read_overrides, to_toml

DEFAULTS = {"run.folder": "", "train.local-steps": 10, "strategy.name": "async", "train.rate": 5e-3, "dp.on": False}


def test_pairs_take_their_toml_types_and_later_ones_win() -> None:
    texts = ["train.local-steps=5  dp.on=true", "train.local-steps=7 train.rate=1e-2 strategy.name='fed avg'"]
    assert read_overrides(texts, DEFAULTS) == {
        "train.local-steps": 7,
        "dp.on": True,
        "train.rate": 0.01,
        "strategy.name": "fed avg",
    }


def test_text_needs_no_quotes_where_the_default_is_text() -> None:
    assert read_overrides(["strategy.name=fedavg run.folder=/some/where"], DEFAULTS) == {
        "strategy.name": "fedavg",
        "run.folder": "/some/where",
    }


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    given = read_overrides(["run.folder=./x strategy.name=~/y train.rate=1.0"], DEFAULTS)
    assert absolute_texts(given) == {
        "run.folder": str(tmp_path / "x"),
        "strategy.name": "/home/ada/y",
        "train.rate": 1.0,
    }
    assert absolute_texts({"run.folder": "org/model"}) == {"run.folder": "org/model"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("train.local-steps", "cannot read 'train.local-steps'"),
        ("dp.on=true and more", "cannot read 'and more'"),
        ("dp.on=true,strategy.name='x'", "cannot read"),
        ("strategy.name='x", "cannot read"),
        ("train.local-steps=many", "neither a number"),
        ("train.local-step=5", "did you mean train.local-steps"),
        ("nonsense=5", "no key 'nonsense'"),
        ("nowhere.toml", "nowhere.toml cannot be read: No such file"),
        ("dp.on=2026-01-01", "is a date"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, named: str) -> None:
    with pytest.raises(LauncherError, match=named):
        read_overrides([text], DEFAULTS)


def test_a_file_mixes_with_pairs(tmp_path: Path) -> None:
    file = tmp_path / "a b.toml"
    file.write_text("[train]\nlocal-steps = 3\nrate = 0.5\n")
    assert read_overrides([str(file), "train.rate=0.25"], DEFAULTS) == {"train.local-steps": 3, "train.rate": 0.25}
    file.write_bytes(codecs.BOM_UTF8 + b"train.rate = 0.5\r\n")  # as an editor on Windows saves it
    assert read_overrides([str(file)], DEFAULTS) == {"train.rate": 0.5}
    file.write_text("train = [")
    with pytest.raises(LauncherError, match=r"a b\.toml"):
        read_overrides([str(file)], DEFAULTS)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "run.folder": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f")),
            "train.local-steps": st.integers(-(2**62), 2**62),
            "train.rate": st.floats(allow_nan=False),
            "dp.on": st.booleans(),
        },
    )
)
def test_what_is_written_reads_back_the_same(given_: dict[str, bool | int | float | str]) -> None:
    assert flatten(tomllib.loads(to_toml(given_))) == given_


def test_a_folder_that_is_no_app_is_named(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="no Flower app in"):
        app_defaults(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(LauncherError, match="not a Flower app"):
        app_defaults(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project")
    with pytest.raises(LauncherError, match=r"pyproject\.toml is not TOML"):
        app_defaults(tmp_path)
