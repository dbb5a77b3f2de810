"""A hospital's demands: what gives them, and that a run which does not is told what to change, and where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client_app.guard.demands import check_demands
from crossward.config.node_config import NodeConfig
from crossward.config.privacy_settings import EXAMPLE, NO_UNIT, PATIENT, UNITS
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError
from crossward.config.weightings import EQUAL

RUN: dict[str, Any] = {"privacy.unit": PATIENT, "privacy.epsilon": 4.0, "privacy.delta": 1e-6}
OWN = NodeConfig(privacy_unit=PATIENT, privacy_epsilon=4.0, privacy_delta=1e-6)


def demands(run: dict[str, Any], own: NodeConfig) -> None:
    check_demands(RunConfig.read(own.over({"strategy.weighting": EQUAL} | run)), own)


def given(own: NodeConfig, run: dict[str, Any]) -> bool:
    try:
        demands(run, own)
    except SettingsError as error:
        assert "nothing was trained or sent" in str(error) and "node config" in str(error)
        return False
    return True


@pytest.mark.parametrize(("demanded", "enough"), [(NO_UNIT, set(UNITS)), (EXAMPLE, {EXAMPLE}), (PATIENT, {PATIENT})])
def test_which_runs_give_a_unit(demanded: str, enough: set[str]) -> None:
    """Not a patient's a note's: a patient without one note may have a mean gradient that points elsewhere."""
    runs = {unit: RUN | {"privacy.unit": unit} for unit in UNITS} | {NO_UNIT: {}}
    own = NodeConfig(privacy_unit=demanded, privacy_total_epsilon=9.0) if demanded != NO_UNIT else NodeConfig()
    assert {unit for unit, run in runs.items() if given(own, run)} == enough


@pytest.mark.parametrize("policy", ["none", "sensitive", "all"])
@pytest.mark.parametrize("own", ["none", "sensitive", "all"])
def test_no_run_seals_less_than_is_demanded(policy: str, own: str) -> None:
    order, node, run = ["none", "sensitive", "all"], NodeConfig(policy=own), {"encryption.policy": policy}
    if order.index(policy) >= order.index(own):
        demands(run, node)
    else:
        with pytest.raises(SettingsError, match=f"encryption.policy = '{policy}'"):
            demands(run, node)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, ""),
        ({"privacy.epsilon": 3.0, "privacy.delta": 1e-7}, ""),
        ({"privacy.epsilon": 4.5}, "privacy.epsilon = 4.5"),
        # noise, but nothing that stops the run
        ({"privacy.epsilon": 0.0, "privacy.noise-multiplier": 50.0}, "privacy.epsilon = 0.0"),
        ({"privacy.delta": 1e-5}, "privacy.delta = 1e-05"),
    ],
)
def test_a_budget_is_demanded_at_a_delta(changes: dict[str, float], named: str) -> None:
    if not named:
        demands(RUN | changes, OWN)
        return
    with pytest.raises(SettingsError) as raised:
        demands(RUN | changes, OWN)
    assert named in str(raised.value) and "nothing was trained or sent" in str(raised.value)


@pytest.mark.parametrize("noise", [1e-154, 1e-9, 0.007])
def test_a_budget_is_not_kept_by_noise_that_is_none(noise: float) -> None:
    with pytest.raises(SettingsError, match=r"privacy\.noise-multiplier = .* is next to no noise: at least 0\.0078125"):
        demands(RUN | {"privacy.noise-multiplier": noise}, OWN)


def test_delta_alone_demands_nothing() -> None:
    own = NodeConfig(privacy_unit=PATIENT, privacy_total_epsilon=9.0, privacy_delta=1e-9)
    demands(RUN | {"privacy.delta": 0.1}, own)  # the budget of all runs is at the hospital's delta, whatever theirs


def test_a_unit_without_a_budget_is_refused() -> None:
    """Noise may be next to none: of a multiplier of 1/128, ten steps have an epsilon of 100,000."""
    with pytest.raises(SettingsError, match=r"privacy-unit = 'patient' bounds nothing by itself.*set privacy-epsilon"):
        NodeConfig.read({"privacy-unit": "patient"})


@pytest.mark.parametrize(
    ("run", "own", "taken"),
    [(3, {}, True), (2, {}, False), (1, {"min-contributors": 1}, True)],
)
def test_no_version_is_of_fewer_hospitals_than_are_demanded(run: int, own: dict[str, int], taken: bool) -> None:
    assert given(NodeConfig.read(own), {"strategy.min-contributors": run}) == taken


def test_whose_notes_are_protected_the_run_does_not_say() -> None:
    own = NodeConfig(privacy_unit=EXAMPLE, privacy_total_epsilon=9.0)
    run = RUN | {"privacy.unit": EXAMPLE, "data.source": "mimic-iii", "data.path": "/data/of/somebody"}
    with pytest.raises(SettingsError, match=r"set data-path too\. Nothing was trained or sent"):
        demands(run, own)


@pytest.mark.parametrize("source", ["csv", "jsonl"])
def test_who_a_patient_is_the_run_does_not_say(source: str) -> None:
    run = RUN | {"data.source": source, "data.patient-column": "note"}
    with pytest.raises(SettingsError, match=f"hospital's {source} file, .* set patient-column along with privacy-unit"):
        demands(run, replace(OWN, data_path="/notes"))
    asked = {"privacy-unit": PATIENT, "privacy-epsilon": 4.0, "data-path": "/notes"}
    own = NodeConfig.read(asked | {"patient-column": "subject"})
    demands(run, own)
    assert own.over(run)["data.patient-column"] == "subject"
    demands(run | {"privacy.unit": EXAMPLE}, replace(own, privacy_unit=EXAMPLE, patient_column=""))


def test_a_hospital_with_a_notes_toml_says_itself_who_a_patient_is(tmp_path: Path) -> None:
    file, table = tmp_path / "notes.toml", 'source = "csv"\npath = "a.csv"\n[columns]\ntext = "t"\n'
    asked = {"privacy-unit": PATIENT, "privacy-epsilon": 4.0, "notes-path": str(file)}
    run = RUN | {"data.source": "own", "data.patient-column": "note"}
    file.write_text(table)
    with pytest.raises(SettingsError, match=r"names no column of patients, .*set columns.patient there. Nothing was"):
        demands(run, NodeConfig.read(asked))
    with pytest.raises(SettingsError, match="names no column of patients"):  # of a run alone, too
        demands(run, NodeConfig.read({"notes-path": str(file)}))
    file.write_text(table + 'patient = "p"\n')
    demands(run, NodeConfig.read(asked))
    with pytest.raises(SettingsError, match="this hospital names none: set notes-path in its node config"):
        demands({"data.source": "own"}, NodeConfig(data_path="/notes"))


@pytest.mark.parametrize("key", ["privacy-epsilon", "privacy-total-epsilon"])
def test_a_budget_for_nobody_is_refused(key: str) -> None:
    with pytest.raises(
        SettingsError, match=rf"node config: {key} = 3 .* privacy-unit = 'none': set that to 'example' or 'patient'"
    ):
        NodeConfig.read({key: 3.0})


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("privacy_unit", "there is no key privacy_unit; did you mean privacy-unit"),
        ("privacy-eps", "did you mean privacy-epsilon"),
        ("zzz", "known are data-path, "),
    ],
)
def test_a_demand_that_is_misspelt_is_not_passed_over(key: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        NodeConfig.read({key: "patient"})


def test_a_wrong_value_is_told_where_it_is_set() -> None:
    with pytest.raises(SettingsError, match=r"privacy-unit = 'patients' is not one of .* --node-config 'privacy-unit="):
        NodeConfig.read({"privacy-unit": "patients"})
    with pytest.raises(SettingsError, match="privacy-unit = 'hospital' is not one of"):  # others make its noise
        NodeConfig.read({"privacy-unit": "hospital"})
