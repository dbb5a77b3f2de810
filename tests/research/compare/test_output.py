"""From jobs' results to ``comparison.json``, tables and figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread
from rich.console import Console

from research.attacks.scores import AGGREGATOR, Score
from research.compare import figures, leakage
from research.compare.ablations import variants
from research.compare.command import Wanted, found_of, show
from research.compare.figures import draw
from research.compare.methods import METHODS, Method
from research.compare.settings import FRACTIONS, Comparison

Facts = dict[str, Any]
KEYS = {"method", "loss", "perplexity", "leakage", "bytes_per_round", "seconds_per_round", "epsilon"}


def points() -> list[Facts]:
    made = []
    for fraction in FRACTIONS:
        method = METHODS["hybrid"].but("hybrid", "", encryption__fraction=fraction)
        cost = {"bytes_per_round": 1e6 * (1 + fraction), "crypto_seconds_per_round": 0.01 + fraction / 20}
        made.append(
            {"fraction": fraction, "sealed_share": fraction, "leakage": leakage.leakage_of(method).to_json()} | cost
        )
    return made


def strict(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def shown(found: Facts) -> str:
    console = Console(width=200)  # what is taken where there is no terminal
    with console.capture() as captured:
        show(found, console)
    return captured.get()


def test_every_method_has_its_row_and_the_files_are_written(
    jobs: dict[str, list[Facts]], setting: Comparison, tmp_path: Path
) -> None:
    found = found_of(setting, Wanted(), jobs, {}, 28, points())
    again = json.loads(json.dumps(found, allow_nan=False), parse_constant=strict)
    assert [row["method"] for row in again["methods"]] == list(METHODS)
    assert all(KEYS | {"crypto_seconds_per_round"} <= row.keys() for row in again["methods"])
    rows = {row["method"]: row for row in again["methods"]}
    assert again["settings"]["leakage_laboratory"] == leakage.LABORATORY
    assert rows["fl"]["loss"] == pytest.approx(1.6) and rows["fl"]["loss_delta"] == pytest.approx(0.5)
    assert rows["fl"]["spread"]["loss"]["sd"] == pytest.approx(0.1)
    assert (rows["local"]["leakage"], rows["centralised"]["leakage"]) == (0.0, 1.0)
    assert rows["local"]["leakage_how"] == rows["centralised"]["leakage_how"] == leakage.DEFINITION
    assert [row["epsilon"] for row in again["methods"]] == [8.0 if name == "dp-fl" else None for name in METHODS]
    assert rows["encrypted"]["against_fl"]["loss"]["equivalent"] is True
    assert rows["encrypted"]["sites"]["South [a]"]["loss"]["mean"] == pytest.approx(2.62)
    text = shown(found)
    assert "South" not in text and "1 (def.)" in text and "0 (def.)" in text and "1.600 ± 0.100" in text
    paths = draw(found, tmp_path)
    assert {path.name for path in paths} == {
        f"{n}.png" for n in ("leakage", "communication", "computation", "quality", "frontier")
    }
    for path in paths:
        image = imread(path)
        assert image.shape[1] > 1000 and image[..., :3].std() > 0.05, f"{path.name} is empty"


def test_a_method_that_could_not_run_is_said_and_nothing_is_invented(
    jobs: dict[str, list[Facts]], setting: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del jobs["dp-fl"]
    monkeypatch.setattr(figures, "DPI", 40)
    found = found_of(setting, Wanted(ablations=True), jobs, {"dp-fl": "no such trainer"}, 28, [])
    row = next(row for row in found["methods"] if row["method"] == "dp-fl")
    assert row["unavailable"] == "no such trainer"
    assert {row[key] for key in KEYS - {"method"}} == {None}
    assert all("unavailable" in row for row in found["ablations"]) and len(found["ablations"]) == len(variants(setting))
    assert "not run; no such trainer" in shown(found)
    assert len(draw(found, tmp_path)) == 4


def test_ablations_stand_beside_what_they_change(
    jobs: dict[str, list[Facts]], setting: Comparison, job: Callable[..., Facts]
) -> None:
    for group, value, method in variants(setting):
        if group == "value bits":
            jobs[method.name] = [job("encrypted", s, loss=1.52 + 0.1 * s + 1 / int(value)) for s in range(3)]
    found = found_of(setting, Wanted(ablations=True), jobs, {}, 28, [])
    known = {row["value"]: row for row in found["ablations"] if row["group"] == "value bits"}
    assert known["4"]["against_base"]["difference"] == pytest.approx(0.25) and known["4"]["base"] == "encrypted"
    assert "error feedback" in shown(found)


def test_names_of_methods_are_file_names_and_differ(setting: Comparison) -> None:
    names = [method.name for _, _, method in variants(setting)]
    assert len(set(names)) == len(names) and all(name == Path(name).name and " " not in name for name in names)


def test_a_measured_score_becomes_a_leakage_between_0_and_1(
    monkeypatch: pytest.MonkeyPatch, jobs: dict[str, list[Facts]], setting: Comparison, tmp_path: Path
) -> None:
    def attack(method: Method) -> Score:
        gain = 0.8 * (1 - method.fraction) - 0.05
        return Score("a", AGGREGATOR, method.name, "real", "tokens", gain + 0.1, 0.1, gain, gain - 0.1, gain + 0.1, 9)

    monkeypatch.setattr(figures, "DPI", 40)
    found = found_of(setting, Wanted(), jobs, {}, 28, points(), attack)
    rows = {row["method"]: row for row in found["methods"]}
    assert rows["fl"]["leakage"] == pytest.approx(0.75) and rows["fl"]["leakage_how"] == leakage.MEASURED
    assert (rows["encrypted"]["leakage"], rows["encrypted"]["leakage_low"]) == (0.0, 0.0)
    assert rows["encrypted"]["leakage_score"]["gain"] == pytest.approx(-0.05)
    text = shown(found)
    for cell in ("0.75 [0.65, 0.85]", "0.00 [0.00, 0.05]", "1 (def.)"):
        assert any(cell in line for line in text.splitlines()), f"{cell} is on no line of its own\n{text}"
    assert len(draw(found, tmp_path)) == 5
