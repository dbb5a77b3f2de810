"""A node's learner in a profile run: it counts, and says in the hospital's log how the consortium's notes compare.

With a unit of privacy that hospitals protect, counts get Gaussian noise before anything is rounded: the budget's own
noise multiplier times how far one unit can move all counts together.

Not for: what is counted (``data.profile``), or how counts are stated (``client_app.profile.coding``).
"""

from __future__ import annotations

import functools
import logging
import math

import numpy as np

from client_app.profile.coding import LEAST, Coding, Ints, ProfileError, Totals
from client_app.training.spec import LearnerSpec, site_name
from client_app.training.trained import Trained, Vector
from crossward.adapters.ranks import Shapes
from crossward.config.data_settings import DataConfig
from crossward.config.model_settings import ModelConfig
from crossward.config.privacy_settings import LOCAL_UNITS, PATIENT, PrivacySettings
from crossward.privacy.noise import SECRET, Randomness
from crossward.protocol.measures import Measure
from data.own_notes import share_of
from data.profile import Layout, Notes, layout_of, notes_of

logger = logging.getLogger("crossward.node")
_LINES = 8  # cells of a group that the log names


class ProfileLearner:
    """A :class:`client_app.node.PrivateLearner` whose update is the counts of ``notes`` in the cells of ``layout``.

    With a unit of ``privacy`` that hospitals protect, ``units`` is how many of them there are, else 0.
    """

    def __init__(
        self,
        notes: Notes,
        layout: Layout,
        coding: Coding,
        site: str,
        privacy: PrivacySettings | None = None,
        randomness: Randomness = SECRET,
    ) -> None:
        self.notes, self.cells, self.coding, self.site = notes, layout, coding, site
        self.privacy, self.randomness = privacy or PrivacySettings(), randomness
        self.layout, self.sizes = shape_of(layout, coding)
        self.shapes: Shapes = ((self.layout, self.sizes),)
        patients = len(np.unique(notes.patients))
        of_unit = patients if self.privacy.unit == PATIENT else len(notes.patients)
        self.units = of_unit if self.privacy.unit in LOCAL_UNITS else 0

    def initial(self) -> Vector:
        """Zeros, float32 [1 + 2 cells]."""
        return np.zeros(self.sizes[0], dtype=np.float32)

    def train(self, start: Vector, version: int, seed: int) -> Trained:
        """The counts as they are stated; nothing in it is random."""
        return self._stated(self.notes.counts(self.cells), version)

    def train_private(self, start: Vector, version: int, noise_multiplier: float) -> Trained:
        """The counts with noise that nobody can draw again, of at most so many notes a patient as a step may hold."""
        exact = self.notes.counts(self.cells, self._bounded())
        deviation = noise_multiplier * sensitivity(self.cells, self.privacy)
        noised = np.rint(exact + self.randomness.normals(len(exact)) * deviation).astype(np.int64)
        return self._stated(np.where(noised < least_of(deviation), 0, noised), version)

    def _bounded(self) -> Ints | None:
        """``privacy.notes-per-patient`` notes of every patient, drawn at random; None where notes are protected."""
        if self.privacy.unit != PATIENT:
            return None
        generator = np.random.default_rng(self.randomness.seed())
        order = generator.permutation(len(self.notes.patients))
        order = order[np.argsort(self.notes.patients[order], kind="stable")]
        owners = self.notes.patients[order]
        first = np.concatenate([[True], owners[1:] != owners[:-1]]).nonzero()[0]
        rank = np.arange(len(order)) - np.repeat(first, np.diff([*first, len(order)]))
        return np.sort(order[rank < self.privacy.notes_per_patient])

    def _stated(self, counts: Ints, version: int) -> Trained:
        if version:
            raise ValueError(f"a profile is counted once, and version {version} is made")
        if counts.max() > self.coding.most:
            logger.warning("a count of more than %d notes is stated as %d", self.coding.most, self.coding.most)
        return Trained(self.coding.encode(counts), num_examples=1, num_tokens=1, loss_sum=0.0, steps=1)

    def alone(self, start: Vector, steps: int, seed: int) -> Vector:
        """Nothing is trained: ``start``."""
        return start

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """Nothing is measured; the log shows the profile, beside this hospital's own notes."""
        try:
            totals = self.coding.decode(models["global"])
        except ProfileError as error:
            logger.warning("the profile cannot be used: %s", error)
            return {}
        for line in comparison(self.cells, totals, self.coding.rounded(self.notes.counts(self.cells))):
            logger.info("%s", line)
        return {}

    def sensitive_blocks(self, fraction: float) -> tuple[bool, ...]:
        """All of it."""
        return (True,)

    def close(self, last: bool) -> None:
        """Nothing to release."""


def shape_of(layout: Layout, coding: Coding) -> tuple[str, tuple[int, ...]]:
    """A learner's ``layout`` and ``sizes``: hospitals' counts are added where these are the same."""
    return f"profile-{layout.fingerprint}-{coding.hospitals}", (1 + 2 * layout.size,)


def sensitivity(layout: Layout, privacy: PrivacySettings) -> float:
    """The most that all counts together change, in L2, when one unit's notes are replaced by nothing.

    m notes of a patient, as many as are counted, are in m cells of each group at most: in one and the same in the worst
    case. The number of notes changes by m as well, that of patients by 1.
    """
    notes = privacy.notes_per_patient if privacy.unit == PATIENT else 1
    return math.sqrt(notes**2 * len(layout.groups) + 1)


def least_of(deviation: float) -> int:
    """The least count that a hospital states: of an empty cell, noise of this deviation hardly ever makes so much."""
    return max(LEAST, math.ceil(3.0 * deviation))


def comparison(layout: Layout, totals: Totals, own: Ints) -> list[str]:
    """How a hospital's ``own`` counts [cells] compare with the others', for its log."""
    others = np.maximum(totals.counts - own, 0)
    lines = [f"profile of {totals.hospitals} hospitals: {totals.counts[0]:,} notes of {totals.counts[1]:,} patients"]
    first = 0
    for group, names in layout.groups:
        place, first = slice(first, first + len(names)), first + len(names)
        if place.start == 0 or not own[place].sum() or not others[place].sum():
            continue
        here, there = own[place] / own[place].sum(), others[place] / others[place].sum()
        cells = sorted(range(len(names)), key=lambda cell: -max(here[cell], there[cell]))[:_LINES]
        named = ", ".join(f"{names[c]} {here[c]:.0%} ({there[c]:.0%})" for c in cells if max(here[c], there[c]) > 0)
        differs = 0.5 * float(np.abs(here - there).sum())
        lines.append(f"{group} here (and at the others): {named}; {differs:.0%} of the notes lie elsewhere")
    return lines


@functools.lru_cache(maxsize=16)
def _counted(
    data: DataConfig, partition: int | None, partitions: int | None, model: ModelConfig, layout: Layout
) -> tuple[Notes, str]:
    """A hospital's notes and its name, kept for later tasks while its notes.toml says the same."""
    from crossward.adapters.tokenizers import load_tokenizer
    from data.hospitals import load_hospital

    hospital = load_hospital(data, partition, partitions)
    return notes_of(hospital, layout, load_tokenizer(model), data), hospital.name


def profile_learner(spec: LearnerSpec) -> ProfileLearner:
    """The learner of a node in a profile run.

    Raises
    ------
    DataError, AdapterError
        the notes, or the model's tokenizer, cannot be read.
    """
    config, layout = spec.config, layout_of(spec.config.data)
    notes, name = _counted(*share_of(config.data, spec.partition, spec.partitions), config.model, layout)
    return ProfileLearner(notes, layout, Coding.of(config), site_name(spec.site or name), config.privacy)
