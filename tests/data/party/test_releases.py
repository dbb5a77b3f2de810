"""MIMIC's own tables as a party's: notes with outcomes, labs, vitals, in both releases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.party.reading import load_party
from data.synthetic.measured.tables_iii import write_measured_iii
from data.synthetic.measured.tables_iv import write_measured_iv
from data.synthetic.measured.values import Measured, with_values
from data.synthetic.tables import records


@pytest.fixture(scope="module")
def measured() -> list[Measured]:
    return list(with_values(records(40, 2, 6), 6))


@pytest.fixture(scope="module")
def folder(measured: list[Measured], tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("mimic")
    write_measured_iii(measured, found / "mimic-iii")
    write_measured_iv(measured, found / "mimic-iv", compress=True)
    return found


@pytest.mark.parametrize("release", ["mimic-iii", "mimic-iv"])
@pytest.mark.parametrize("features", ["notes", "labs", "vitals"])
def test_a_release_is_read_with_its_admissions(
    release: str, features: str, folder: Path, measured: list[Measured], tmp_path: Path
) -> None:
    path = tmp_path / "party.toml"
    path.write_text(
        f'name = "R"\nfeatures = "{features}"\nsource = "{release}"\npath = "{folder / release}"\n'
        '[outcome]\ncolumn = "hospital_expire_flag"\n'
    )
    data = load_party(path)
    died = {str(one.stay.subject): one.stay.died for one in measured}  # the last stay's
    assert data.outcome is not None and data.outcome.tolist() == [died[name] for name in data.patients]
    if features == "notes":
        assert data.notes is not None and all(data.notes)
        return
    assert data.values is not None and len(data.patients) == len(died)
    name = "Creatinine (50912)" if features == "labs" else "Heart Rate (220045)"
    first = data.values[:, data.names.index(f"{name} first")]
    assert np.nanmin(first) > 0.05, "errors, charted as -1, are left out"
    low, high = (data.values[:, data.names.index(f"{name} {what}")] for what in ("min", "max"))
    known = ~np.isnan(first)
    assert known.mean() > 0.8 and (low[known] <= first[known]).all() and (first[known] <= high[known]).all()
