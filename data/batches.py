"""Tokens -> batches for a causal language model: ``train_batches``, ``test_batches``, ``label_batches``.

Training sequences are packed (notes joined and cut) or one note's window each, of similar lengths together; test
sequences are never packed, so that a loss belongs to a note and a patient. Labels are the input ids themselves
(models shift them), -100 where nothing is to be learned. Not for tokenising: see tokens.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from data.errors import DataError
from data.tokens import Ids, TokenDataset

if TYPE_CHECKING:
    import torch

Ints = npt.NDArray[np.int64]
IGNORED = -100


@dataclasses.dataclass(frozen=True)
class TestBatch:
    """A batch and whose it is.

    ``inputs`` is what the model takes: input_ids, attention_mask, labels, int64 [b, t]. ``notes`` int64 [b] are
    positions in the data set, ``patients`` int64 [b] positions in ``TokenDataset.patient_ids``;
    ``candidates`` int64 [b] are positions in ``TokenDataset.labels`` (-1 unless made by ``label_batches``).
    """

    __test__ = False  # not a test case, whatever its name makes pytest think

    inputs: dict[str, torch.Tensor]
    notes: Ints
    patients: Ints
    candidates: Ints


def padded(sequences: Sequence[tuple[Ids, int]], pad: int) -> dict[str, torch.Tensor]:
    """A batch of (ids, how many of the first ids are not to be learned), padded to the longest."""
    import torch

    width = max(len(ids) for ids, _ in sequences)
    shape = (len(sequences), width)
    input_ids = np.full(shape, pad, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    labels = np.full(shape, IGNORED, dtype=np.int64)
    for row, (ids, given) in enumerate(sequences):
        input_ids[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
        labels[row, given : len(ids)] = ids[given:]
    found = {"input_ids": input_ids, "attention_mask": mask, "labels": labels}
    return {name: torch.from_numpy(array) for name, array in found.items()}


def _step(tokens: TokenDataset) -> int:
    """Tokens of notes in a full sequence."""
    return tokens.max_tokens - len(tokens.frame.start)


def windows(tokens: TokenDataset, among: Ints | None = None) -> tuple[Ints, Ints]:
    """(note, first token within ``ids``) of every window that notes are cut into, note after note.

    ``among``: the notes to cut, all of them where it is None.
    """
    chosen = np.arange(len(tokens)) if among is None else among
    counts = np.maximum(1, -(-np.diff(tokens.offsets)[chosen] // _step(tokens)))
    notes = np.repeat(chosen, counts)
    within = np.arange(len(notes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return notes, tokens.offsets[notes] + within * _step(tokens)


def window(tokens: TokenDataset, note: int, first: int) -> tuple[Ids, int]:
    """The window of a note that begins at ``first``, opened; and that nothing of it is given."""
    last = min(first + _step(tokens), int(tokens.offsets[note + 1]))
    return np.concatenate([tokens.frame.start, tokens.ids[first:last]]), 0


def answered(tokens: TokenDataset, note: int, answer: int) -> tuple[Ids, int]:
    """The label task's sequence of a note, and how many of its first tokens are given."""
    frame = tokens.frame
    text = tokens.ids[tokens.offsets[note] : tokens.offsets[note + 1]]
    asked = np.concatenate([frame.start, frame.prompt, text, frame.question])
    return np.concatenate([asked, frame.answers[answer], frame.stop]), len(asked)


class _Stream:
    """Notes joined in one order and cut into full sequences, without copying more than a sequence at a time."""

    def __init__(self, tokens: TokenDataset, order: Ints) -> None:
        self.tokens, self.order = tokens, order
        self.ends = np.cumsum(np.diff(tokens.offsets)[order])

    def cut(self, first: int, last: int) -> Ids:
        parts = [self.tokens.frame.start]
        at = int(np.searchsorted(self.ends, first, side="right"))
        while first < last:
            start = int(self.tokens.offsets[self.order[at] + 1]) - int(self.ends[at]) + first
            stop = min(last, int(self.ends[at]))
            parts.append(self.tokens.ids[start : start + stop - first])
            first, at = stop, at + 1
        return np.concatenate(parts)


def _packed(tokens: TokenDataset, generator: np.random.Generator, among: Ints) -> Iterator[tuple[Ids, int]]:
    """Full sequences without end: every epoch joins the notes in a new order and shuffles the pieces."""
    step, total = _step(tokens), int(np.diff(tokens.offsets)[among].sum())
    while True:
        stream = _Stream(tokens, among[generator.permutation(len(among))])
        pieces = max(1, total // step)  # the rest of an epoch is another one the next time
        for piece in generator.permutation(pieces):
            yield stream.cut(int(piece) * step, min(total, (int(piece) + 1) * step)), 0


def _grouped(lengths: Ints, batch_size: int, generator: np.random.Generator) -> Iterator[Ints]:
    """One epoch's batches: sequences of similar lengths together, in random order."""
    order = generator.permutation(len(lengths))
    pool = 50 * batch_size
    batches: list[Ints] = []
    for start in range(0, len(order), pool):
        part = order[start : start + pool]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    for index in generator.permutation(len(batches)):
        yield batches[index]


def train_batches(
    tokens: TokenDataset, batch_size: int, generator: np.random.Generator, among: Ints | None = None
) -> Iterator[dict[str, torch.Tensor]]:
    """Training batches without end, reshuffled every epoch, decided by ``generator`` alone.

    ``among`` int64 holds the notes to draw from; None: all of them.

    Yields dictionaries of input_ids, attention_mask and labels, int64 [b, t] with b = ``batch_size`` (an epoch's last
    batches are smaller when sequences are not packed).

    Raises
    ------
    DataError
        ``batch_size`` is below 1.
    """
    if batch_size < 1:
        raise DataError(f"a batch size of {batch_size} is too small: at least 1 is needed")
    return _train_batches(tokens, batch_size, generator, np.arange(len(tokens)) if among is None else among)


def _train_batches(
    tokens: TokenDataset, batch_size: int, generator: np.random.Generator, among: Ints
) -> Iterator[dict[str, torch.Tensor]]:
    pad = tokens.frame.pad
    if tokens.packing and not tokens.frame.answers:
        packed = _packed(tokens, generator, among)
        while True:
            yield padded([next(packed) for _ in range(batch_size)], pad)
    notes, firsts = windows(tokens, among)
    if tokens.frame.answers:
        notes, firsts = among, tokens.offsets[among]
    lengths = np.minimum(_step(tokens), tokens.offsets[notes + 1] - firsts)
    while True:
        for chosen in _grouped(lengths, batch_size, generator):
            if tokens.frame.answers:
                yield padded([answered(tokens, int(n), int(tokens.answers[n])) for n in chosen], pad)
            else:
                yield padded([window(tokens, int(notes[i]), int(firsts[i])) for i in chosen], pad)


def _by_size(lengths: Ints, batch_tokens: int) -> Iterator[Ints]:
    """Batches of at most ``batch_tokens`` tokens with padding (at least one sequence), longest sequences first."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        count = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + count]
        start += count


def test_batches(
    tokens: TokenDataset,
    batch_tokens: int = 8192,  # noqa: PT028 - no test
    among: Ints | None = None,  # noqa: PT028 - no test
) -> Iterator[TestBatch]:
    """Every note once, in windows of at most ``max_tokens``; for the label task with its right answer.

    ``among`` int64 holds the notes to measure; None: all of them.
    """
    if tokens.frame.answers:
        chosen = np.arange(len(tokens)) if among is None else among
        yield from _answers(tokens, chosen, tokens.answers[chosen], batch_tokens, False)
        return
    notes, firsts = windows(tokens, among)
    lengths = np.minimum(_step(tokens), tokens.offsets[notes + 1] - firsts) + len(tokens.frame.start)
    for chosen in _by_size(lengths, batch_tokens):
        sequences = [window(tokens, int(notes[i]), int(firsts[i])) for i in chosen]
        none = np.full(len(chosen), -1, dtype=np.int64)
        yield TestBatch(padded(sequences, tokens.frame.pad), notes[chosen], tokens.patients[notes[chosen]], none)


test_batches.__test__ = False  # type: ignore[attr-defined]


def label_batches(tokens: TokenDataset, batch_tokens: int = 8192) -> Iterator[TestBatch]:
    """Every note with every candidate answer: the summed loss over a row's labels scores its ``candidates``.

    Raises
    ------
    DataError
        ``tokens`` is not of the label task.
    """
    if not tokens.frame.answers:
        raise DataError("label_batches needs tokens of data.task = 'label'; these are of 'notes'")
    count = len(tokens.frame.answers)
    notes = np.repeat(np.arange(len(tokens)), count)
    return _answers(tokens, notes, np.tile(np.arange(count), len(tokens)), batch_tokens, True)


def _answers(
    tokens: TokenDataset, notes: Ints, answers: Ints, batch_tokens: int, candidates: bool
) -> Iterator[TestBatch]:
    frame = tokens.frame
    around = len(frame.start) + len(frame.prompt) + len(frame.question) + len(frame.stop)
    lengths = np.diff(tokens.offsets)[notes] + around + np.array([len(a) for a in frame.answers])[answers]
    for chosen in _by_size(lengths, batch_tokens):
        sequences = [answered(tokens, int(notes[i]), int(answers[i])) for i in chosen]
        given = answers[chosen] if candidates else np.full(len(chosen), -1, dtype=np.int64)
        yield TestBatch(padded(sequences, frame.pad), notes[chosen], tokens.patients[notes[chosen]], given)
