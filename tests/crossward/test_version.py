"""The package says its version, and that it is typed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import crossward

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_the_projects() -> None:
    assert crossward.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    with pytest.raises(AttributeError, match="has no attribute 'versions'"):
        crossward.versions  # noqa: B018


def test_type_checkers_read_the_package() -> None:
    assert Path(crossward.__file__).with_name("py.typed").exists()
