"""A hospital answers so many profile runs and no more, whatever they are called, and does not forget."""

from __future__ import annotations

from pathlib import Path

import pytest

from client_app.guard.profiles import Profiles, ProfilesError


def test_each_run_counts_once_and_beyond_the_limit_none_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "state" / "identity.profiles"
    for lineage in ("a", "b", "a", "b", "a"):
        Profiles(path, 2).allow(lineage)
    with pytest.raises(ProfilesError, match=r"answered 2 profile runs .* max-profiles = 2"):
        Profiles(path, 2).allow("c")
    Profiles(path, 2).allow("b")
    Profiles(path, 3).allow("c")
    with pytest.raises(ProfilesError, match="max-profiles = 0"):
        Profiles(tmp_path / "none", 0).allow("a")


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}'])
def test_a_record_that_cannot_be_read_allows_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "identity.profiles"
    path.write_text(content)
    with pytest.raises(ProfilesError):
        Profiles(path, 5).allow("a")
    assert path.read_text() == content
