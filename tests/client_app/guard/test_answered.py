"""A hospital answers so many runs of a kind and no more, whatever they are called, and does not forget."""

from __future__ import annotations

from pathlib import Path

import pytest

from client_app.guard.answered import ALIGNMENTS, PROFILES, Answered, AnsweredError


def test_each_run_counts_once_and_beyond_the_limit_none_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "state" / "identity.profiles"
    for lineage in ("a", "b", "a", "b", "a"):
        Answered(path, 2, PROFILES).allow(lineage)
    with pytest.raises(AnsweredError, match=r"answered 2 profile runs .* max-profiles = 2"):
        Answered(path, 2, PROFILES).allow("c")
    Answered(path, 2, PROFILES).allow("b")
    Answered(path, 3, PROFILES).allow("c")
    with pytest.raises(AnsweredError, match="max-profiles = 0"):
        Answered(tmp_path / "none", 0, PROFILES).allow("a")


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}'])
def test_a_record_that_cannot_be_read_allows_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "identity.profiles"
    path.write_text(content)
    with pytest.raises(AnsweredError):
        Answered(path, 5, PROFILES).allow("a")
    assert path.read_text() == content


def test_alignments_are_counted_by_themselves(tmp_path: Path) -> None:
    Answered(tmp_path / "identity.alignments", 1, ALIGNMENTS).allow("a")
    with pytest.raises(AnsweredError, match=r"answered 1 alignments of patients .* max-alignments = 1: each says"):
        Answered(tmp_path / "identity.alignments", 1, ALIGNMENTS).allow("b")
