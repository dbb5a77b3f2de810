"""A short soak, sealed and on disk: every kind of fault, and all that must hold afterwards; see ``benchmarks.soak``."""

from __future__ import annotations

import pytest

from benchmarks.soak.__main__ import soak, table
from benchmarks.soak.run import Soaked
from benchmarks.soak.server import KILLS, LOSSES
from benchmarks.soak.trouble import faults_of
from crossward.config.encryption_schemes import BFV, COMMITTEE

VERSIONS = 70


@pytest.fixture(scope="module", params=[COMMITTEE, BFV])
def soaked(request: pytest.FixtureRequest) -> Soaked:
    return soak(VERSIONS, seed=3, deaths=12, scheme=request.param)


def test_after_faults_of_every_kind_everything_holds(soaked: Soaked) -> None:
    assert soaked.problems == []
    assert (soaked.versions, soaked.unaccounted) == (VERSIONS, 0)


def test_every_kind_of_fault_took_place(soaked: Soaked) -> None:
    rotated = {"consortium key rotated", "reply lost with the ServerApp", *LOSSES}
    missing = (
        {kind.name for kind in faults_of(soaked.scheme)} | {way for ways in KILLS.values() for way in ways} | rotated
    )
    assert missing - set(soaked.faults) == set()
    assert sum(soaked.faults.values()) > 150 and soaked.sessions > 10


def test_every_outcome_took_place(soaked: Soaked) -> None:
    expected = {"accepted", "failed", "behind", "malformed", "wrong-key", "wrong-layout", "duplicate", "measured"}
    assert expected | ({"declined"} if soaked.scheme == COMMITTEE else set()) <= set(soaked.outcomes)
    assert soaked.arrived >= 3 and soaked.residuals >= 2 and soaked.made["clamped claims"]


def test_a_member_that_lied_is_named_and_its_version_made_again(soaked: Soaked) -> None:
    lied = {"opening", "assisted", "opening-dropped", "corrected", "liar"} <= set(soaked.made)
    assert lied == (soaked.scheme == COMMITTEE)


def test_the_table_says_it(soaked: Soaked) -> None:
    text = table(soaked)
    assert "unaccounted: 0" in text and "everything holds" in text
