"""The bottom model of notes: a language model with LoRA factors, attention over its hidden states, a projection.

It learns without labels in two steps: the factors learn to predict the next token of the party's own notes, then the
projection learns which tokens a patient's notes have (as in topic models, arXiv 1703.01488), from principal components
on. The language model's hidden states are computed once and kept, until the factors change.

Not for: the language model itself (``client_app.vertical.learning.bottoms.hidden_states``).
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from client_app.vertical.learning.arrays import Array, Ints, State, taken
from client_app.vertical.learning.bottoms.bottom import Bottom, BottomSettings, whitened
from client_app.vertical.learning.bottoms.hidden_states import (
    LanguageSettings,
    Segments,
    Windows,
    segments_of,
    train_language,
)
from client_app.vertical.learning.bottoms.kept import kept_segments, key_of
from client_app.vertical.learning.fitting import fit
from client_app.vertical.learning.seeding import seeded
from crossward.adapters.base import BaseModel
from crossward.adapters.layout import layout_of
from crossward.adapters.lora import attach_lora, detach_lora
from crossward.adapters.vector import read_vector, write_vector
from crossward.config.model_settings import LoraSettings

logger = logging.getLogger("crossward.vertical")

NOTES = "notes"
HEADS = 4


class NotesEncoder(torch.nn.Module):
    """Hidden states [b, s, h] and which there are [b, s], to [b, dim]: their mean, and attention with a few heads."""

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, hidden: int, settings: BottomSettings) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(hidden))
        self.register_buffer("scale", torch.ones(hidden))
        self.scores = torch.nn.Sequential(
            torch.nn.Linear(hidden, settings.hidden), torch.nn.Tanh(), torch.nn.Linear(settings.hidden, HEADS)
        )
        self.values = torch.nn.Linear(hidden, settings.hidden)
        self.dropout = torch.nn.Dropout(settings.dropout)
        self.last = torch.nn.Linear(hidden + HEADS * settings.hidden, settings.dim)

    def features(self, states: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """States float32 [b, s, h] and mask bool [b, s] to their mean and what is attended to, float32 [b, f]."""
        mask = there[:, :, None]
        standard = ((states - self.shift) * self.scale) * mask
        mean = standard.sum(1) / mask.sum(1).clamp_min(1)
        weights = self.scores(standard).masked_fill(~mask, float("-inf")).softmax(1)
        values = torch.nn.functional.gelu(self.values(self.dropout(standard)))
        attended = torch.einsum("bsk,bsv->bkv", weights, values).flatten(1)
        return torch.cat([mean, self.dropout(attended)], 1)

    def forward(self, states: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """States float32 [b, s, h] and mask bool [b, s] to float32 [b, dim]."""
        embedded: torch.Tensor = self.last(self.features(states, there))
        return embedded


class NotesBottom(Bottom):
    """A bottom over ``notes``, all that is known of each patient in one text; ``base`` is as it was after each use."""

    kind = NOTES

    def __init__(
        self,
        notes: Sequence[str],
        settings: BottomSettings,
        base: BaseModel,
        seed: int,
        *,
        lora: LoraSettings | None = None,
        language: LanguageSettings | None = None,
        keep: Path | None = None,
    ) -> None:
        hidden = base.model.get_input_embeddings().weight.shape[1]
        with seeded(seed):
            encoder = NotesEncoder(hidden, settings)
        super().__init__(len(notes), encoder, settings)
        self.base, self.lora, self.seed = base, lora or LoraSettings(), seed
        self.language = language or LanguageSettings()
        self.notes, self.keep = tuple(notes), keep
        self.factors = np.zeros(0, np.float32)  # none: the base model as it is
        self._segments: Segments | None = None

    @functools.cached_property
    def windows(self) -> Windows:
        """The notes as tokens."""
        return Windows.of(self.notes, self.base.tokenizer, self.language)

    @contextlib.contextmanager
    def _adapted(self) -> Iterator[Any]:
        """The base model with this party's factors."""
        model = attach_lora(self.base, self.lora, self.seed)
        try:
            if len(self.factors):
                write_vector(model, layout_of(model, self.base, self.lora), self.factors)
            yield model
        finally:
            detach_lora(model)

    def segments(self) -> Segments:
        """Hidden states of all patients, computed when they are first needed, or read from the folder ``keep``."""
        if self._segments is None:
            base, read = self.base, self.language
            reading = (read.max_tokens, read.patient_tokens, read.segment)
            factors = (self.lora, self.seed, self.factors.tobytes())
            key = key_of(self.notes, base.digest, base.tokenizer_digest, reading, factors)
            self._segments = kept_segments(self.keep, key, self._computed)
        return self._segments

    def _computed(self) -> Segments:
        with self._adapted() as model:
            return segments_of(model.get_base_model().base_model, self.windows, self.patients, self.language)

    def inputs(self, rows: Ints) -> tuple[torch.Tensor, ...]:
        """Hidden states and mask of ``rows``."""
        return self.segments().padded(rows)

    def digest(self) -> bytes:
        """Of the notes."""
        return bytes.fromhex(key_of(self.notes))

    def represent(self, seed: int) -> None:
        """Next-token steps on the factors, then the projection."""
        if self.language.steps:
            with self._adapted() as model:
                train_language(model, self.windows, self.language, seed, _log)
                self.factors = read_vector(model, layout_of(model, self.base, self.lora))
            self._segments = None
        self._from_components()
        self._from_words(seed)
        self.settle()

    @torch.no_grad()
    def _from_components(self) -> None:
        """Standardise hidden states, and start from the principal components of patients' means."""
        encoder, segments = self.encoder, self.segments()
        encoder.shift.copy_(segments.states.mean(0))
        encoder.scale.copy_(1.0 / segments.states.std(0).clamp_min(1e-6))
        standard = (segments.states - encoder.shift) * encoder.scale
        ends = torch.from_numpy(segments.offsets[1:] - 1)
        sums = standard.double().cumsum(0)[ends]
        means = torch.diff(sums, dim=0, prepend=torch.zeros(1, sums.shape[1], dtype=sums.dtype))
        means = (means / torch.from_numpy(np.diff(segments.offsets))[:, None]).float()
        weight, bias = whitened(means, self.dim)
        encoder.last.weight.zero_()
        encoder.last.weight[:, : weight.shape[1]] = weight
        encoder.last.bias.copy_(bias)

    def _from_words(self, seed: int) -> None:
        """Tell from a patient's embedding which tokens the patient's notes have."""
        words = self._words()
        with seeded(seed):
            decoder = torch.nn.Linear(self.dim, words.shape[1])

            def loss(part: Ints) -> torch.Tensor:
                logits = decoder(self.encoder(*self.inputs(part)))
                return torch.nn.functional.binary_cross_entropy_with_logits(logits, words[part])

            rows = np.arange(len(self), dtype=np.int64)
            fit(torch.nn.ModuleList([self.encoder, decoder]), loss, rows, self.settings.represent, seed)

    def _words(self, most: int = 512) -> torch.Tensor:
        """Which tokens each patient's notes have, of those that vary most; float32 [n, at most ``most``]."""
        size = max(int(ids.max()) for ids in self.windows.ids) + 1
        seen = np.zeros((self.patients, size), bool)
        for patient, ids in zip(self.windows.patients, self.windows.ids, strict=True):
            seen[patient, ids[self.windows.start :]] = True
        share = seen.mean(0)
        chosen = np.argsort(-share * (1 - share), kind="stable")[:most]
        return torch.from_numpy(seen[:, chosen].astype(np.float32))

    def fitted(self) -> State:
        """The LoRA factors as one vector, float32 [0] where there are none."""
        return super().fitted() | {"factors": self.factors}

    def take(self, state: Mapping[str, Array], prefix: str) -> None:
        """The hidden states are computed anew where the factors are others."""
        super().take(state, prefix)
        factors = taken(state, f"{prefix}factors")
        if not np.array_equal(factors, self.factors):
            self.factors, self._segments = factors, None


def _log(step: int, loss: float) -> None:
    if step % 20 == 0:
        logger.debug("language model: step %d, loss %.3f", step, loss)
