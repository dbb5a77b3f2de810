"""The examples run as they are, and show what they say that they show."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK, SCRIPT = EXAMPLES / "from_notes_to_adapter.ipynb", EXAMPLES / "strategy_from_python.py"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own, for everything that an example and its kernel write."""
    for name in ("CROSSWARD_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    return tmp_path


def texts(notebook: Any) -> str:
    """Everything that the notebook's cells printed or returned as plain text."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


def test_the_notebook_goes_from_notes_to_a_better_model(place: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(place)}}).execute()
    shown = texts(notebook)
    assert "all 10 versions are made" in shown
    assert "give the consortium's key file" in shown  # without the key nothing opens
    rows = {name: re.search(rf"(?m)^{name} +(.+)$", shown) for name in ("untuned base", "global adapter")}
    base, tuned = ([float(value) for value in row[1].split()] for row in rows.values() if row is not None)
    assert len(base) == len(tuned) == 4
    assert all(after < 0.7 * before for before, after in zip(base, tuned, strict=True)), shown
    assert re.search(r"(?m)^ +global: '.+'$", shown)
    (figure,) = [
        output.data["image/png"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert len(figure) > 1000
    assert not list(place.glob("crossward_home/*")), "the notebook keeps everything in a folder of its own"


def test_the_notebook_is_committed_without_outputs() -> None:
    """What it shows depends on the machine's libraries; a diff should show what was written."""
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert cell.cell_type == "markdown" or (not cell.outputs and cell.execution_count is None)


def test_the_script_weighs_updates_by_its_own_formula(place: Path) -> None:
    done = subprocess.run([sys.executable, SCRIPT], cwd=place, capture_output=True, text=True, check=True, timeout=300)
    assert done.stderr == ""
    versions = re.findall(r"(?m)^version +(\d+) +([\d.]+) s  (.+)$", done.stdout)
    assert [int(number) for number, _, _ in versions] == list(range(1, 13))
    assert [float(seconds) for _, seconds, _ in versions] == sorted(float(seconds) for _, seconds, _ in versions)
    share = {site: int(percent) for site, percent in re.findall(r"(toy-\d) +(\d+)% \(stale 0\)", versions[0][2])}
    assert share["toy-0"] / share["toy-1"] == pytest.approx(0.5**0.5, abs=0.04)  # roots of 20 and 40 examples
    assert re.search(r"final weights: \[[\s\d.+-]+\]", done.stdout)
    assert not list(place.iterdir()), "nothing is written"
