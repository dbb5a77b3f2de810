"""What vertical attacks work in: three parties with features of the same made-up patients, one with the outcome.

``heart`` has a table and the outcome, ``laboratory`` a table, ``ward`` notes that open with a name and hold planted
words. Bottom models and the joint model are those of a run (``client_app.vertical.learning``); the language model is
the embedded one, without factors. Of the patients one part is *known* to the attacker, features and all, as auxiliary
data; the other part are the victims.

Not for: what an observer sees (``research.attacks.vertical.views``), attacks.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client_app.vertical.learning.blocks import Blocks, Part
from client_app.vertical.learning.bottoms.bottom import Bottom, BottomSettings
from client_app.vertical.learning.bottoms.hidden_states import LanguageSettings
from client_app.vertical.learning.bottoms.notes import NotesBottom
from client_app.vertical.learning.bottoms.table import TableBottom
from client_app.vertical.learning.exchange import ExchangeSettings, targets
from client_app.vertical.learning.fitting import FitSettings
from client_app.vertical.learning.splits import Split
from client_app.vertical.learning.top import JointModel, TopSettings
from crossward.adapters import ModelConfig
from crossward.adapters.base import load_base
from data.synthetic.words import FAMILY_NAMES

Sender = Callable[[NDArray[np.float32]], NDArray[np.float32]]
WORDS = (
    "anuria", "ascites", "ataxia", "bradycardia", "cachexia", "chills", "cyanosis", "delirium", "dyspnea", "edema",
    "fatigue", "fever", "hemoptysis", "icterus", "melena", "nausea", "oliguria", "pallor", "rales", "sepsis",
    "syncope", "tachycardia", "vertigo", "wheezing",
)  # fmt: skip
NAMES = tuple(FAMILY_NAMES[:16])
CLIP = 1.0
HEART, LABORATORY, WARD = "heart", "laboratory", "ward"


@dataclass(frozen=True)
class VerticalSize:
    """How much is measured: patients in all, values of an embedding, exchanges, epochs, and an epsilon's releases."""

    patients: int = 2400
    features: int = 10
    dim: int = 16
    wide: int = 64  # values of an embedding of notes that has room for everything: the positive control
    exchanges: int = 3
    epochs: int = 30
    epsilons: tuple[float, ...] = (8.0, 1.0)
    known: float = 0.5
    set_size: int = 400  # of each party's patients in the attacks on intersections
    targets: int = 200  # people asked for there


FULL = VerticalSize()
QUICK = VerticalSize(patients=600, epochs=10, set_size=60, targets=40)


@dataclass(frozen=True)
class Run:
    """What a party saw of a run: ``returned`` moves of its training patients' embeddings, float32 [train, dim] each.

    The first are of a joint model that has not been trained, which no run returns, then those of every exchange.
    ``trained``: its embeddings after the run, float32 [patients, dim].
    """

    returned: tuple[NDArray[np.float32], ...]
    trained: NDArray[np.float32]


class Consortium:
    """The parties' data and models. Everything follows from ``size`` and ``seed``."""

    def __init__(self, size: VerticalSize = FULL, seed: int = 0) -> None:
        self.size, self.seed = size, seed
        rng = self.rng("patients")
        shared = rng.normal(size=(size.patients, 4))
        self.tables = {
            party: shared @ rng.normal(size=(4, size.features)) * 0.6 + rng.normal(size=(size.patients, size.features))
            for party in (HEART, LABORATORY)
        }
        self.words = rng.random((size.patients, len(WORDS))) < 0.25
        self.name = rng.integers(len(NAMES), size=size.patients)
        risk = 1.6 * self.tables[HEART][:, 0] + 1.6 * self.tables[LABORATORY][:, 0] + 2.0 * self.words[:, 0]
        chance = 1 / (1 + np.exp(2.0 * (np.quantile(risk, 0.88) - risk)))
        self.labels = (rng.random(size.patients) < chance).astype(np.float32)
        rows = np.arange(size.patients)
        cut = round(size.known * size.patients)
        self.known, self.victims = rows[:cut], rows[cut:]  # patients come in no order

    def rng(self, *labels: str) -> np.random.Generator:
        """A generator of the seed and ``labels``."""
        return np.random.default_rng([self.seed, *(byte for label in labels for byte in label.encode())])

    @functools.cached_property
    def notes(self) -> tuple[str, ...]:
        """Each patient's: a name in the head, then the planted words in random order."""
        order = random.Random(f"{self.seed}|notes")
        found = []
        for name, has in zip(self.name, self.words, strict=True):
            words = [WORDS[i] for i in np.flatnonzero(has)]
            order.shuffle(words)
            found.append(f"Name: {NAMES[name]}\nThe patient has {', '.join(words) or 'no complaint'}.")
        return tuple(found)

    def bottom(self, party: str, dim: int = 0) -> Bottom:
        """A party's bottom model with a representation learnt on its patients, without labels; ``dim`` 0: the run's."""
        settings = BottomSettings(
            dim=dim or self.size.dim,
            clip=CLIP,
            represent=FitSettings(epochs=self.size.epochs, batch=128),
        )
        if party == WARD:
            base = load_base(ModelConfig(device="cpu"))
            made: Bottom = NotesBottom(
                self.notes, settings, base, self.seed, language=LanguageSettings(max_tokens=64, steps=0)
            )
        else:
            names = [f"{party} {i}" for i in range(self.size.features)]
            made = TableBottom(self.tables[party], names, settings, self.seed)
        made.represent(self.seed)
        return made

    @functools.cached_property
    def bottoms(self) -> dict[str, Bottom]:
        """The bottoms of all parties before any exchange; whoever trains them takes a twin."""
        return {party: self.bottom(party) for party in (HEART, LABORATORY, WARD)}

    @functools.cached_property
    def embeddings(self) -> dict[str, NDArray[np.float32]]:
        """What a party sends in a one-shot run, clear, float32 [patients, dim]."""
        rows = np.arange(self.size.patients)
        return {party: self.bottoms[party].embed(rows) for party in (LABORATORY, WARD)}

    @functools.cached_property
    def wide_embeddings(self) -> NDArray[np.float32]:
        """Clear embeddings of ``ward`` with room for everything, float32 [patients, wide]."""
        return self.bottom(WARD, self.size.wide).embed(np.arange(self.size.patients))

    @functools.cached_property
    def split(self) -> Split:
        """Of all patients eight tenths train, the rest stop the training."""
        rows = self.rng("split").permutation(self.size.patients)
        cut = round(0.8 * len(rows))
        return Split(np.sort(rows[:cut]), np.sort(rows[cut:]), np.zeros(0, np.int64))

    def run(
        self,
        norm: str,
        noise: Sender | None = None,
        labels: NDArray[np.float32] | None = None,
        balance: bool = True,
    ) -> Run:
        """A run between ``heart`` and ``laboratory``.

        ``norm``: what targets keep of gradients' norms (``client_app.vertical.learning.exchange``); ``noise`` is put on
        what is sent; ``labels`` float32 [patients] take the place of the true ones; ``balance``: whether both classes
        count alike, as they do in a run.
        """
        everyone, wanted = np.arange(self.size.patients), self.labels if labels is None else labels
        party = self.bottoms[LABORATORY].twin()
        settings = TopSettings(balance=balance, fit=FitSettings(epochs=self.size.epochs))
        joint = JointModel(self.bottoms[HEART].twin(), (self.size.dim,), settings, self.seed)
        found: list[NDArray[np.float32]] = []
        for number in range(self.size.exchanges):
            sent = party.embed(everyone)
            blocks = Blocks.scatter(self.size.patients, [Part(everyone, sent if noise is None else noise(sent))])
            if not found:
                found.append(self._returned(joint, blocks, wanted, norm))
            joint.train(blocks, wanted, self.split, self.seed + number)
            back = self._returned(joint, blocks, wanted, norm)
            party.approach(self.split.train, blocks.parts[0][self.split.train] + back, self.seed + number)
            found.append(back)
        return Run(tuple(found), party.embed(everyone))

    def _returned(
        self, joint: JointModel, blocks: Blocks, labels: NDArray[np.float32], norm: str
    ) -> NDArray[np.float32]:
        """By how much the targets of training patients differ from what was sent."""
        (back,) = targets(joint, blocks, labels, self.split.train, ExchangeSettings(norm=norm))
        return back.embeddings - blocks.parts[0][back.rows]
