"""Times in ISO 8601, never guessed between day first and month first."""

from __future__ import annotations

from typing import Any

import pytest

from data.errors import DataError
from data.harmonise.times import Step


def times(piece: Any, config: Any, given: list[str]) -> tuple[list[str], str]:
    step = Step(config)
    return step(piece(time=given))["time"].to_pylist(), step.report()


def test_iso_stays_and_anything_else_is_not_guessed(piece: Any, described: Any) -> None:
    given = ["2150-01-02 10:00:00", "2019-05-04T10:00:00.5Z", "2019-05", "", "03/04/2019", "4. Mai 2019"]
    got, said = times(piece, described(), given)
    assert got == ["2150-01-02T10:00:00", "2019-05-04T10:00:00.5Z", "2019-05", "", "", ""]
    assert "2 notes have a time" in said and "'99/99/9999'" in said and "'9. AAA 9999'" in said and "2019" not in said


@pytest.mark.parametrize(
    ("stated", "given", "iso"),
    [
        ("%d/%m/%Y", "03/04/2019", "2019-04-03"),
        ("%m/%d/%Y", "03/04/2019", "2019-03-04"),
        ("%d.%m.%Y %H:%M", " 31.12.2019 13:05 ", "2019-12-31T13:05:00"),
        ("%d.%m.%Y", "2019-12-31", "2019-12-31"),
        ("%Y-%d-%m", "2019-03-04", "2019-04-03"),
        ("%Y-%d-%m", "2019-03-14", ""),  # not the fourteenth of March: the hospital says that days come first
        ("%m/%d/%Y", "13/04/2019", ""),
        ("%d/%m/%Y", "03/04/19", ""),
    ],
)
def test_the_hospital_states_its_format(piece: Any, described: Any, stated: str, given: str, iso: str) -> None:
    got, said = times(piece, described({"times": (stated,)}), [given])
    assert got == [iso] and bool(said) == (not iso)


def test_two_formats_that_disagree_are_refused(piece: Any, described: Any) -> None:
    both = described({"times": ("%d/%m/%Y", "%m/%d/%Y")})
    assert times(piece, both, ["31/12/2019", "12/31/2019", "05/05/2019"])[0] == [
        "2019-12-31",
        "2019-12-31",
        "2019-05-05",
    ]
    with pytest.raises(DataError, match=r"/notes.toml: times: 1 times are read differently by two of the formats '%d"):
        times(piece, both, ["31/12/2019", "03/04/2019"])
