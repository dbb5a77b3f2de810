"""Some patients' notes out of a hospital's tokens, several hospitals' together, and identifiers planted among them.

Not for: tokenising notes (``data.tokens``) or making identifiers (``research.attacks.identifiers``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import TokenDataset
from research.attacks.planted import Canary, Ids


def _laid(texts: Sequence[Ids]) -> tuple[Ids, NDArray[np.int64]]:
    """Notes one after the other, and where each begins."""
    lengths = np.cumsum([len(text) for text in texts], dtype=np.int64)
    return np.concatenate(texts).astype(np.int32), np.concatenate([[0], lengths])


def part(tokens: TokenDataset, patients: Iterable[int]) -> TokenDataset:
    """The notes of some patients (positions in ``patient_ids``), in their order."""
    kept = list(patients)
    notes = [int(n) for p in kept for n in np.flatnonzero(tokens.patients == p)]
    owner = {p: i for i, p in enumerate(kept)}
    ids, offsets = _laid([tokens.ids[tokens.offsets[n] : tokens.offsets[n + 1]] for n in notes])
    return dataclasses.replace(
        tokens,
        ids=ids,
        offsets=offsets,
        patients=np.array([owner[int(tokens.patients[n])] for n in notes], dtype=np.int64),
        answers=tokens.answers[notes],
        note_ids=tuple(tokens.note_ids[n] for n in notes),
        patient_ids=tuple(tokens.patient_ids[p] for p in kept),
    )


def joined(parts: Sequence[TokenDataset]) -> TokenDataset:
    """Several hospitals' notes as one data set."""
    lengths = np.concatenate([np.diff(p.offsets) for p in parts])
    shift = np.cumsum([0, *(len(p.patient_ids) for p in parts)])
    return dataclasses.replace(
        parts[0],
        ids=np.concatenate([p.ids for p in parts]),
        offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        patients=np.concatenate([p.patients + s for p, s in zip(parts, shift[:-1], strict=True)]),
        answers=np.concatenate([p.answers for p in parts]),
        note_ids=tuple(n for p in parts for n in p.note_ids),
        patient_ids=tuple(i for p in parts for i in p.patient_ids),
    )


def shortened(tokens: TokenDataset, most: int) -> TokenDataset:
    """At most ``most`` tokens of each patient, the first of the first notes."""
    left = np.full(len(tokens.patient_ids), most, dtype=np.int64)
    texts, kept = [], []
    for note, owner in enumerate(tokens.patients):
        text = tokens.ids[tokens.offsets[note] : tokens.offsets[note + 1]][: left[owner]]
        left[owner] -= len(text)
        if len(text):
            texts.append(text)
            kept.append(note)
    ids, offsets = _laid(texts)
    return dataclasses.replace(
        tokens,
        ids=ids,
        offsets=offsets,
        patients=tokens.patients[kept],
        answers=tokens.answers[kept],
        note_ids=tuple(tokens.note_ids[n] for n in kept),
    )


def planted(tokens: TokenDataset, canaries: Sequence[Canary], tokenizer: Any) -> TokenDataset:
    """``tokens`` and each canary as so many short notes, all of one patient, whose identifier it is."""
    used = [canary for canary in canaries if canary.repeats]
    if not used:
        return tokens
    owners = np.repeat(np.arange(len(used)), [c.repeats for c in used])
    texts = [tokenizer(c.text, add_special_tokens=False)["input_ids"] for c in used]
    written = [np.array([*texts[owner], *tokens.frame.stop], dtype=np.int32) for owner in owners]
    ids, offsets = _laid(written)
    extra = dataclasses.replace(
        tokens,
        ids=ids,
        offsets=offsets,
        patients=owners.astype(np.int64),
        answers=np.full(len(written), -1, dtype=np.int64),
        note_ids=tuple(f"canary-note-{i}" for i in range(len(written))),
        patient_ids=tuple(f"canary-{i}" for i in range(len(used))),
    )
    return joined([tokens, extra])
