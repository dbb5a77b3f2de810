"""Of a damaged file nothing comes but notes, each row accounted for, or an error that says what is wrong."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz.material import FILES, Material
from benchmarks.fuzz.readers import Tally, lines_in, outcome, try_one
from data import DataConfig


@pytest.fixture
def sound(tmp_path: Path) -> dict[str, Material]:
    made = {}
    for name, (source, content) in FILES.items():
        (path := tmp_path / name).write_bytes(content())
        config = DataConfig(source=source, patient_column="patient", site_column="ward")
        made[name] = Material(name, config, path, of_lines="lines" in name)
    return made


def test_sound_files_are_read_and_a_lost_row_would_be_noticed(sound: dict[str, Material]) -> None:
    for one in sound.values():
        assert outcome(one, one.path) == ("read", {"read": 40, "kept": 40})
    plain = sound["csv of plain lines"]
    assert lines_in(plain.path, plain) == 40
    plain.path.write_bytes(plain.path.read_bytes() + b"P99,one more,A\n")
    assert lines_in(plain.path, plain) == 41


@given(name=st.sampled_from(sorted(FILES)), seed=st.integers(0, 1 << 32))
@settings(deadline=None, derandomize=True, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, sound: dict[str, Material], name: str, seed: int) -> None:
    tally = Tally()
    try_one(sound[name], random.Random(seed), tmp_path, tally)
    assert tally.tried == 1 and not tally.wrong
