"""Kinds of bottom models, and which a party's data asks for.

Not for: the models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from client_app.vertical.learning.arrays import Doubles, LearningError
from client_app.vertical.learning.bottoms.bottom import Bottom, BottomSettings
from client_app.vertical.learning.bottoms.hidden_states import LanguageSettings
from client_app.vertical.learning.bottoms.joined import Joined
from client_app.vertical.learning.bottoms.notes import NOTES, NotesBottom
from client_app.vertical.learning.bottoms.table import TABLE, TableBottom
from crossward.adapters.base import BaseModel
from crossward.config.model_settings import LoraSettings


class Features(Protocol):
    """What a bottom reads of a party's data: a table, float64 [patients, features] with NaN, and notes, or either."""

    @property
    def values(self) -> Doubles | None:
        """The table; None where there is none."""

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each feature."""

    @property
    def notes(self) -> tuple[str, ...] | None:
        """Each patient's notes in one text; None where there are none."""


@dataclass(frozen=True)
class Opening:
    """All that a bottom is made with: settings, and a seed for its first weights.

    For notes also the base model, and the folder in which the party keeps their hidden states (None: in memory alone).
    """

    bottom: BottomSettings = field(default_factory=BottomSettings)
    language: LanguageSettings = field(default_factory=LanguageSettings)
    lora: LoraSettings = field(default_factory=LoraSettings)
    base: BaseModel | None = None
    seed: int = 0
    keep: Path | None = None


def _table(features: Features, opening: Opening) -> Bottom:
    if features.values is None:
        raise LearningError("a bottom of kind 'table' needs a table, and this party has none.")
    return TableBottom(features.values, features.names, opening.bottom, opening.seed)


def _notes(features: Features, opening: Opening) -> Bottom:
    if features.notes is None:
        raise LearningError("a bottom of kind 'notes' needs notes, and this party has none.")
    if opening.base is None:
        raise LearningError("a bottom of kind 'notes' needs a base model: load the one that model.name says.")
    return NotesBottom(
        features.notes,
        opening.bottom,
        opening.base,
        opening.seed,
        lora=opening.lora,
        language=opening.language,
        keep=opening.keep,
    )


BOTTOMS: dict[str, Callable[[Features, Opening], Bottom]] = {NOTES: _notes, TABLE: _table}


def kinds_of(features: Features) -> tuple[str, ...]:
    """The kinds that a party's data asks for, in the order of :data:`BOTTOMS`."""
    has = {NOTES: features.notes is not None, TABLE: features.values is not None}
    return tuple(kind for kind in BOTTOMS if has.get(kind))


def open_bottom(features: Features, opening: Opening) -> Bottom:
    """The bottom of a party's data: of one kind, or of all that it has side by side.

    Raises
    ------
    LearningError
        there are neither notes nor a table, or notes without a base model.
    """
    bottoms = [BOTTOMS[kind](features, opening) for kind in kinds_of(features)]
    if not bottoms:
        raise LearningError("this party has neither notes nor a table: there is nothing to learn from.")
    return bottoms[0] if len(bottoms) == 1 else Joined(bottoms)
