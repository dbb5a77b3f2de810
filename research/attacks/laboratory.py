"""What all attacks work in: the embedded model with LoRA factors, hospitals' notes, and victims trained on them.

Patients are split once: *auxiliary* ones, whose notes the attacker holds (it knows the house that a hospital writes
in), *shadows*, on whose notes it trains updates of its own, and *victims*; no patient is in two of them, and no two
updates share one. The start adapter has been trained on auxiliary notes of all hospitals, so that B is not zero, and
the attacker knows it, also where the policy would hide it: what is measured is the update alone.

Not for: what an observer sees of an update (``research.attacks.observers``), attacks.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client_app.training.learner import AdaptedModel, LoraLearner, adapted_model
from client_app.training.losses import summed_loss
from crossward.adapters import LoraSettings, ModelConfig, write_vector
from crossward.config.personal_settings import NOT_PERSONAL
from crossward.config.schedule import Schedule
from crossward.config.train_settings import TrainSettings
from data import DataConfig, Hospital, load_hospitals
from data.tokens import TokenDataset, tokenise
from research.attacks.identifiers import Identity, identity
from research.attacks.sizes import AUXILIARY, FULL, SHADOW, VICTIM, Setting, Size

Vector = NDArray[np.float32]
Ints = NDArray[np.int64]
_SHARES = {AUXILIARY: 0.3, SHADOW: 0.35, VICTIM: 0.35}
SGD_RATE = 1e-2


@dataclass(frozen=True)
class Sample:
    """Notes that one update is trained on: of one hospital, distinct patients, the tokens as the model takes them."""

    hospital: int
    notes: TokenDataset
    identities: tuple[Identity, ...]
    seed: int

    @property
    def present(self) -> Ints:
        """Distinct tokens of the notes, without what opens and ends every sequence: int64 [n], sorted."""
        public = np.concatenate([self.notes.frame.start, self.notes.frame.stop])
        return np.setdiff1d(self.notes.ids, public).astype(np.int64)


@dataclass(frozen=True)
class Update:
    """A sample and what training on it added to the start adapter: float32 [total]."""

    sample: Sample
    delta: Vector


Trainer = Callable[["Laboratory", Sample, Setting], Vector]


def of_notes(like: TokenDataset, parts: Sequence[NDArray[Any]], notes: Ints) -> TokenDataset:
    """A data set of token arrays ``parts``, one for each of ``notes``, with all else of ``like``."""
    patients, codes = np.unique(like.patients[notes], return_inverse=True)
    return dataclasses.replace(
        like,
        ids=np.concatenate(parts).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64),
        patients=codes.astype(np.int64),
        answers=like.answers[notes],
        note_ids=tuple(like.note_ids[n] for n in notes),
        patient_ids=tuple(like.patient_ids[p] for p in patients),
    )


class Laboratory:
    """Model, notes and start adapter of the attacks. ``rank`` is LoRA's; all else comes from ``size`` and ``seed``."""

    def __init__(self, size: Size = FULL, seed: int = 0, rank: int = 8, warm: bool = True) -> None:
        self.size, self.seed, self.rank = size, seed, rank
        self.data = DataConfig(synthetic_patients=size.patients, min_patients=2, seed=seed)
        self.hospitals: list[Hospital] = load_hospitals(self.data, size.hospitals)
        self.adapted: AdaptedModel = adapted_model(ModelConfig(device="cpu"), LoraSettings(rank=rank), 0)
        self.layout, self.tokenizer = self.adapted.layout, self.adapted.base.tokenizer
        self.vocabulary = int(self.adapted.base.model.get_input_embeddings().weight.shape[0])
        self.schedule = Schedule()
        self.notes = [tokenise(h.train, self.tokenizer, self.data, h.labels) for h in self.hospitals]
        self._patients = [self._split(number) for number in range(size.hospitals)]
        self._heads: dict[str, NDArray[np.int32]] = {}
        self._kept: dict[Any, list[Update]] = {}
        self.start: Vector = self.adapted.initial
        if warm and size.warm_steps:
            self.start = self._warmed(size.warm_steps)

    @property
    def public(self) -> Ints:
        """Tokens that open and end every sequence: int64 [n]."""
        frame = self.notes[0].frame
        return np.unique(np.concatenate([frame.start, frame.stop])).astype(np.int64)

    def rng(self, *labels: str | int) -> np.random.Generator:
        """A generator of the suite's seed and ``labels``."""
        digest = hashlib.sha256(repr((self.seed, *labels)).encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "little"))

    def _split(self, hospital: int) -> dict[str, list[Ints]]:
        """Whose notes are whose: by role, the notes of one patient after another."""
        tokens = self.notes[hospital]
        order = self.rng("patients", hospital).permutation(len(tokens.patient_ids))
        by_patient = [np.flatnonzero(tokens.patients == p) for p in order]
        out, first = {}, 0
        for role, share in _SHARES.items():
            last = len(by_patient) if role == VICTIM else first + round(share * len(by_patient))
            out[role], first = by_patient[first:last], last
        return out

    def identity(self, tokens: TokenDataset, note: int) -> Identity:
        """Of the patient of a note."""
        return identity(tokens.patient_ids[tokens.patients[note]], self.seed)

    def encode(self, text: str) -> NDArray[np.int32]:
        """Token ids of ``text`` alone."""
        return np.array(self.tokenizer(text, add_special_tokens=False)["input_ids"], dtype=np.int32)

    def texts(self, hospital: int, notes: Ints, heads: bool = True) -> list[NDArray[np.int32]]:
        """The tokens of notes, with ``heads`` behind their patients' heads."""
        tokens, out = self.notes[hospital], []
        for note in notes:
            ids = np.asarray(tokens.ids[tokens.offsets[note] : tokens.offsets[note + 1]])
            if not heads:
                out.append(ids)
                continue
            who = self.identity(tokens, int(note))
            if who.head not in self._heads:
                self._heads[who.head] = self.encode(who.head)
            out.append(np.concatenate([self._heads[who.head], ids]))
        return out

    # ------------------------------------------------------------------ samples

    def samples(self, role: str, setting: Setting, count: int) -> list[Sample]:
        """``count`` samples of distinct patients, from the hospitals in turn.

        Raises
        ------
        ValueError
            there are too few patients for so many.
        """
        sources = [self._sampled(role, setting, hospital) for hospital in range(self.size.hospitals)]
        out: list[Sample] = []
        while len(out) < count and sources:
            for source in list(sources):
                sample = next(source, None)
                if sample is None:
                    sources.remove(source)
                elif len(out) < count:
                    out.append(sample)
        if len(out) < count:
            raise ValueError(
                f"{self.size.patients} patients are enough for {len(out)} of {count} {role} samples of the setting "
                f"{setting.name!r}: raise the laboratory's number of patients"
            )
        return out

    def _sampled(self, role: str, setting: Setting, hospital: int) -> Iterator[Sample]:
        """A hospital's samples of a role, one after another until the patients are used up."""
        rng = self.rng(role, setting.name, hospital)
        wanted = setting.steps * setting.batch * (setting.tokens - 1) if setting.adam else 1
        notes: list[Ints] = []
        held = 0
        for mine in self._patients[hospital][role]:
            notes.append(mine if setting.adam else mine[:1])
            parts = self.texts(hospital, notes[-1], setting.heads)
            held += sum(map(len, parts))
            if held >= wanted:
                yield self._sample(hospital, np.concatenate(notes), setting, rng)
                notes, held = [], 0

    def _sample(self, hospital: int, notes: Ints, setting: Setting, rng: np.random.Generator) -> Sample:
        tokens = dataclasses.replace(self.notes[hospital], max_tokens=setting.tokens)
        parts = self.texts(hospital, notes, setting.heads)
        if not setting.adam:
            stop = tokens.frame.stop
            parts = [np.concatenate([cut(part, setting, rng), stop]) for part in parts]
        who = dict.fromkeys(self.identity(tokens, int(note)) for note in notes) if setting.heads else ()
        return Sample(hospital, of_notes(tokens, parts, notes), tuple(who), int(rng.integers(2**31)))

    def auxiliary_texts(self, setting: Setting, hospital: int, count: int) -> list[Ints]:
        """Distinct tokens of ``count`` texts made as a sample is, of the hospital's auxiliary patients (who recur)."""
        rng, out = self.rng("texts", setting.name, hospital), list[Ints]()
        pool = self._patients[hospital][AUXILIARY]
        wanted = setting.steps * setting.batch * (setting.tokens - 1) if setting.adam else 1
        while len(out) < count:
            notes: list[Ints] = []
            held = 0
            for index in rng.permutation(len(pool)):
                notes.append(pool[index] if setting.adam else pool[index][:1])
                held += sum(map(len, self.texts(hospital, notes[-1], setting.heads)))
                if held >= wanted:
                    break
            out.append(self._sample(hospital, np.concatenate(notes), setting, rng).present)
        return out

    def auxiliary(self, hospital: int) -> TokenDataset:
        """All notes of a hospital's auxiliary patients, with heads."""
        notes = np.concatenate(self._patients[hospital][AUXILIARY])
        return of_notes(self.notes[hospital], self.texts(hospital, notes), notes)

    # ------------------------------------------------------------------ training

    def learner(self, notes: TokenDataset, hospital: int, setting: Setting) -> LoraLearner:
        """The product's learner on ``notes``."""
        schedule = dataclasses.replace(self.schedule, local_steps=setting.steps)
        settings = TrainSettings(batch_size=setting.batch, precision="no")
        learner = LoraLearner(
            self.adapted,
            self.hospitals[hospital],
            self.data,
            schedule,
            settings,
            on_progress=lambda _: None,
            personal=NOT_PERSONAL,
        )
        learner.train_tokens = notes
        return learner

    def _warmed(self, steps: int) -> Vector:
        parts = [self.auxiliary(hospital) for hospital in range(self.size.hospitals)]
        ids = np.concatenate([part.ids for part in parts])
        ends = np.cumsum([0, *(part.offsets[-1] for part in parts)])
        offsets = np.concatenate([[0], *(part.offsets[1:] + end for part, end in zip(parts, ends, strict=False))])
        mixed = dataclasses.replace(parts[0], ids=ids, offsets=offsets, max_tokens=self.size.real.tokens)
        learner = self.learner(mixed, 0, dataclasses.replace(self.size.real, steps=10))
        return learner.alone(self.adapted.initial, steps, self.seed)

    def train(self, sample: Sample, setting: Setting) -> Vector:
        """The delta of a sample's training from the start adapter, float32 [total]; a :data:`Trainer`."""
        if not setting.adam:
            return -np.float32(SGD_RATE) * self.gradient(sample)
        learner = self.learner(sample.notes, sample.hospital, setting)
        return learner.train(self.start, 2, sample.seed).vector - self.start

    def sequence(self, sample: Sample) -> torch.Tensor:
        """The one sequence of an SGD victim, int64 [1, t]."""
        ids = np.concatenate([sample.notes.frame.start, sample.notes.ids])
        return torch.from_numpy(ids.astype(np.int64))[None]

    def gradient(self, sample: Sample) -> Vector:
        """Gradient of the mean token loss of an SGD victim's sequence, float32 [total]."""
        model: Any = self.adapted.model
        write_vector(model, self.layout, self.start)
        model.eval()
        ids = self.sequence(sample)
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}
        parameters = [p for p in model.parameters() if p.requires_grad]
        loss = summed_loss(model, batch) / (ids.shape[1] - 1)
        found = torch.autograd.grad(loss, parameters)
        return torch.cat([g.reshape(-1) for g in found]).numpy().astype(np.float32)

    def updates(self, role: str, setting: Setting, count: int, trainer: Trainer | None = None) -> list[Update]:
        """The first ``count`` updates of a role, trained once and kept."""
        kept = self._kept.setdefault((role, setting, trainer), [])
        if len(kept) < count:
            train = trainer or Laboratory.train
            for sample in self.samples(role, setting, count)[len(kept) :]:
                kept.append(Update(sample, train(self, sample, setting)))
        return kept[:count]


def cut(ids: NDArray[Any], setting: Setting, rng: np.random.Generator) -> NDArray[Any]:
    """The longest prefix of ``ids`` within a setting's tokens and distinct tokens; the start counts as one of these."""
    longest, seen = 0, set[int]()
    for token in ids[: setting.tokens - 2].tolist():
        seen.add(token)
        if setting.distinct and len(seen) >= setting.distinct:
            break
        longest += 1
    return ids[:longest]
