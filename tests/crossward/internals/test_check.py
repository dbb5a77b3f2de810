"""What is required of a package is found, or the error says which version differs in what, and what to do."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import re
from pathlib import Path

import pytest

from crossward.internals.check import PYTHON, Dependency, InternalsError
from crossward.launcher.lock import canonical, pins, read

ROOT = Path(__file__).parents[3]
NUMPY = Dependency("numpy", "1.0", "crossward.internals.made_up")
MODULES = sorted(p.stem for p in (ROOT / "crossward" / "internals").glob("[!_]*.py"))
DEPENDENCIES = {
    thing.package: (name, thing)
    for name in MODULES
    for thing in vars(importlib.import_module(f"crossward.internals.{name}")).values()
    if isinstance(thing, Dependency) and thing.module == f"crossward.internals.{name}"
}


def test_what_exists_is_returned() -> None:
    import numpy as np

    assert NUMPY.require("numpy") is np
    assert NUMPY.require("numpy:ndarray.tobytes") is np.ndarray.tobytes
    assert NUMPY.require("numpy:pad", "array", "mode") is np.pad


@pytest.mark.parametrize(
    ("path", "parameters", "what"),
    [
        ("numpy.made_up", (), r"numpy\.made_up does not exist"),
        ("numpy:made_up", (), r"numpy\.made_up does not exist"),
        ("numpy:ndarray.made_up", (), r"numpy\.ndarray\.made_up does not exist"),
        ("numpy:pad", ("array", "b", "a"), r"numpy\.pad takes no a, b"),
    ],
)
def test_what_differs_is_one_line_with_versions_and_a_remedy(path: str, parameters: tuple[str, ...], what: str) -> None:
    with pytest.raises(InternalsError, match=what) as caught:
        NUMPY.require(path, *parameters)
    text, installed = str(caught.value), importlib.metadata.version("numpy")
    assert text.startswith(f"numpy {installed}: ") and "\n" not in text
    assert "crossward.internals.made_up was written for numpy 1.0: install that version" in text


class Made:
    def __init__(self) -> None:
        self._kept = 1


def test_attributes_that_a_class_sets_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr(np, "Made", Made, raising=False)
    NUMPY.require_set("numpy:Made", "_kept")
    with pytest.raises(InternalsError, match=r"numpy\.Made has no _lost"):
        NUMPY.require_set("numpy:Made", "_kept", "_lost")


def test_a_text_is_looked_for_in_the_source() -> None:
    NUMPY.require_text("numpy/__init__.py", "NumPy", "import")
    with pytest.raises(InternalsError, match=r"^numpy \S+: numpy/__init__\.py does not contain 'no such text'\."):
        NUMPY.require_text("numpy/__init__.py", "NumPy", "no such text")
    for unread in (NUMPY, Dependency("made-up", "1", "m")):
        with pytest.raises(InternalsError, match=r"made_up\.py cannot be read \("):
            unread.require_text("numpy/made_up.py", "")


def test_a_package_without_metadata_is_of_unknown_version() -> None:
    assert "made-up unknown: x." in str(Dependency("made-up", "1", "m").differs("x"))
    assert Dependency(PYTHON, "3.11", "m").installed == platform.python_version()


def test_every_module_names_the_release_that_is_locked() -> None:
    """Whoever moves the lock reads the new release's internals, or runs their tests, and says so here."""
    locked = pins(read(ROOT))
    own = {name for name in MODULES if name != "check" and not name.startswith("flower_")}
    assert {name for name, _ in DEPENDENCIES.values()} == own
    for package, (name, dependency) in DEPENDENCIES.items():
        if package != PYTHON:
            (version,) = locked[canonical(package)]
            assert re.match(rf"{re.escape(dependency.written_for)}\.\d+", version), (name, version)
    supported = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert supported is not None
    minors = [f"3.{minor}" for minor in range(int(supported[1]), int(supported[2]))]
    assert DEPENDENCIES[PYTHON][1].written_for == " and ".join(minors)
