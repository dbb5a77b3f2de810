"""How a step's sequences are dealt out to the processes of a team."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from client_app.training.team import SOLO, Team, present_team, share
from data.batches import IGNORED

Batch = dict[str, torch.Tensor]


def batch(lengths: list[int], first: int) -> Batch:
    """A batch whose sequences are told apart by their first token, padded on the right to the longest."""
    width = max(lengths)
    ids, mask, labels = (torch.zeros(len(lengths), width, dtype=torch.long) for _ in range(3))
    labels.fill_(IGNORED)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.arange(length) + 1000 * (first + row) + 1
        mask[row, :length] = 1
        labels[row, 1:length] = ids[row, 1:length]  # the first token is given, not learned
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def group(lengths: list[list[int]]) -> list[Batch]:
    firsts = itertools.accumulate((len(part) for part in lengths), initial=0)
    return [batch(part, first) for part, first in zip(lengths, firsts, strict=False)]


def sequences(batches: list[Batch]) -> list[tuple[list[int], list[int]]]:
    """(ids, labels) of every sequence from which something is learned, without padding."""
    out = []
    for part in batches:
        assert part["input_ids"].shape == part["attention_mask"].shape == part["labels"].shape
        for ids, mask, labels in zip(part["input_ids"], part["attention_mask"], part["labels"], strict=True):
            length = int(mask.sum())
            assert mask[:length].all() and not mask[length:].any()
            assert (labels[length:] == IGNORED).all()
            if (labels != IGNORED).any():
                out.append((ids[:length].tolist(), labels[:length].tolist()))
    return sorted(out)


steps = st.lists(st.lists(st.integers(2, 12), min_size=1, max_size=6), min_size=1, max_size=5)


@given(steps, st.integers(1, 7))
def test_every_sequence_is_dealt_once_in_as_many_passes_on_every_rank(lengths: list[list[int]], size: int) -> None:
    whole = group(lengths)
    parts = [share(whole, Team(rank, size)) for rank in range(size)]
    assert sequences([b for part in parts for b in part]) == sequences(whole)
    (passes,) = {len(part) for part in parts}
    most = max(len(part) for part in lengths)
    assert 1 <= passes <= len(lengths)
    assert all(1 <= len(b["input_ids"]) <= most for part in parts for b in part)
    counts = [sum(int((b["labels"][:, 1:] != IGNORED).sum()) for b in part) for part in parts]
    assert sum(counts) == sum(int((b["labels"][:, 1:] != IGNORED).sum()) for b in whole)


@given(steps, st.integers(2, 7))
def test_no_rank_has_much_more_to_do_than_another(lengths: list[list[int]], size: int) -> None:
    """Longest first, one to each in turn: no two ranks differ by more than the longest sequence."""
    parts = [share(group(lengths), Team(rank, size)) for rank in range(size)]
    tokens = [sum(len(ids) for ids, _ in sequences(part)) for part in parts]
    assert max(tokens) - min(tokens) <= max(itertools.chain(*lengths))


@given(steps, st.integers(1, 7))
def test_nothing_that_is_dealt_is_padded_for_nothing(lengths: list[list[int]], size: int) -> None:
    for rank in range(size):
        for part in share(group(lengths), Team(rank, size)):
            assert bool(part["attention_mask"].any(0).all())


def test_a_rank_without_sequences_passes_some_from_which_nothing_is_learned() -> None:
    (idle,) = share(group([[5]]), Team(1, 2))
    assert idle["input_ids"].shape == (1, 5) and (idle["labels"] == IGNORED).all()
    assert bool(idle["attention_mask"].all())
    assert (group([[5]])[0]["labels"] != IGNORED).any()  # what the others learn from is left as it was


def test_a_process_on_its_own_takes_all_as_it_comes() -> None:
    whole = group([[3, 5], [2]])
    assert share(whole, SOLO) is whole


def test_what_is_given_is_left_as_it_was() -> None:
    whole, again = group([[3, 5], [2]]), group([[3, 5], [2]])
    for rank in range(3):
        for part in share(whole, Team(rank, 3)):
            part["labels"].fill_(7)
    assert all(torch.equal(a[k], b[k]) for a, b in zip(whole, again, strict=True) for k in a)


def test_alone_nothing_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(torch.distributed, "all_reduce", never)
    monkeypatch.setattr(torch.distributed, "broadcast", never)
    tensor = torch.ones(3)
    assert SOLO.leads and SOLO.sum(tensor) is tensor and SOLO.from_leader(tensor) is tensor
    assert present_team() == SOLO
    assert not Team(1, 2).leads
