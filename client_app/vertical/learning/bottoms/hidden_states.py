"""A language model over patients' notes: tokens in windows, its factors trained on them, its last hidden states.

Hidden states are kept as means over short segments of tokens: what a note says in a phrase is still there, and a
patient's notes take a few kilobytes.

Not for: what becomes of the hidden states (``client_app.vertical.learning.bottoms.notes``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client_app.vertical.learning.arrays import LearningError
from client_app.vertical.learning.seeding import seeded

Ids = NDArray[np.int64]
IGNORED = -100


@dataclass(frozen=True)
class LanguageSettings:
    """How a language model reads a patient's notes, and how long its factors are trained on them.

    Of a patient the last ``patient_tokens`` are read, in windows of ``max_tokens``, and their hidden states averaged
    over ``segment`` tokens each. The factors take ``steps`` of ``batch`` windows each; 0: the base model as it is.
    """

    max_tokens: int = 128
    patient_tokens: int = 256
    segment: int = 16
    steps: int = 40
    batch: int = 8
    learning_rate: float = 2e-3
    pass_tokens: int = 2048


@dataclass(frozen=True)
class Windows:
    """Token ids in windows: window i is ``ids[i]`` and of patient ``patients[i]``; ``start`` opens it, 0 or 1 ids."""

    ids: tuple[Ids, ...]
    patients: NDArray[np.int64]
    start: int
    pad: int

    @staticmethod
    def of(notes: Sequence[str], tokenizer: Any, settings: LanguageSettings) -> Windows:
        """The last tokens of each patient's notes; a patient without any has one window that is opened alone."""
        opening = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        start: list[int] = [] if opening is None else [int(opening)]
        step = settings.max_tokens - len(start)
        found, whose = [], []
        for first in range(0, len(notes), 1000):
            texts = tokenizer(list(notes[first : first + 1000]), add_special_tokens=False, verbose=False)["input_ids"]
            for patient, ids in enumerate(texts, first):
                read = ids[-settings.patient_tokens :]
                for at in range(0, max(1, len(read)), step):
                    found.append(np.array(start + read[at : at + step] or [tokenizer.pad_token_id], np.int64))
                    whose.append(patient)
        return Windows(tuple(found), np.array(whose, np.int64), len(start), int(tokenizer.pad_token_id))

    def batch(self, chosen: Sequence[int] | Ids, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and attention mask of ``chosen`` windows, int64 [b, t], padded at the end."""
        width = max(len(self.ids[one]) for one in chosen)
        ids = np.full((len(chosen), width), self.pad, np.int64)
        mask = np.zeros((len(chosen), width), np.int64)
        for row, one in enumerate(chosen):
            ids[row, : len(self.ids[one])] = self.ids[one]
            mask[row, : len(self.ids[one])] = 1
        return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def train_language(
    model: Any, windows: Windows, settings: LanguageSettings, seed: int, on_step: Callable[[int, float], None]
) -> None:
    """Take ``settings.steps`` AdamW steps on the model's factors, in place: the next token of the party's own notes."""
    device = next(model.parameters()).device
    usable = np.flatnonzero([len(ids) > 1 for ids in windows.ids])
    if not len(usable):
        raise LearningError("the patients' notes are empty after tokenising: there is nothing to learn from.")
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=settings.learning_rate)
    rng = np.random.default_rng(seed)
    model.train()
    with seeded(seed):
        for step in range(settings.steps):
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * (1 - step / settings.steps)
            ids, mask = windows.batch(rng.choice(usable, min(settings.batch, len(usable)), replace=False), device)
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
            wanted = ids[:, 1:].masked_fill(mask[:, 1:] == 0, IGNORED)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            on_step(step, float(loss.detach()))
    model.eval()


@dataclass(frozen=True)
class Segments:
    """Mean hidden states of segments: ``states`` float32 [segments, hidden], patient i has ``offsets[i : i + 2]``."""

    states: torch.Tensor
    offsets: NDArray[np.int64]

    def padded(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Of ``rows``: states float32 [n, s, hidden], 0 where there is none, and whether there is one, bool [n, s]."""
        first, counts = self.offsets[rows], np.diff(self.offsets)[rows]
        within = np.arange(counts.max())[None, :]
        there = within < counts[:, None]
        at = np.where(there, first[:, None] + within, 0)
        mask = torch.from_numpy(there)
        return self.states[torch.from_numpy(at)] * mask[:, :, None], mask


@torch.no_grad()
def segments_of(body: Any, windows: Windows, patients: int, settings: LanguageSettings) -> Segments:
    """Segment means of the last hidden states that ``body``, a model without its head, has of every window."""
    device = next(body.parameters()).device
    found: list[torch.Tensor | None] = [None] * len(windows.ids)
    order = sorted(range(len(windows.ids)), key=lambda one: len(windows.ids[one]))
    size = max(1, settings.pass_tokens // settings.max_tokens)
    body.eval()
    for first in range(0, len(order), size):
        chosen = order[first : first + size]
        ids, mask = windows.batch(chosen, device)
        states = body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state.float()
        for row, one in enumerate(chosen):
            begin = windows.start if len(windows.ids[one]) > windows.start else 0
            own = states[row, begin : len(windows.ids[one])]
            found[one] = torch.stack([part.mean(0) for part in torch.split(own, settings.segment)]).cpu()
    counts = np.zeros(patients, np.int64)
    np.add.at(counts, windows.patients, [len(one) for one in found if one is not None])
    joined = torch.cat([one for one in found if one is not None])
    return Segments(joined, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
