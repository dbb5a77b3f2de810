"""An attack on all victims of a setting under a protection: what each lost, and what was guessed.

Updates, observations and evidence are made once and kept, so that a second protection or fraction costs little.

Not for: tables and figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research.attacks.gains import Gains, gains
from research.attacks.laboratory import Laboratory, Sample, Vector
from research.attacks.observers import Observer, Protection, Seen
from research.attacks.profiles import Profiles
from research.attacks.shadow import Attack, Case, Reader
from research.attacks.sizes import SHADOW, VICTIM, Setting
from research.attacks.spans import Choices, Chooser, Question, helps, likelihoods, questions

Mask = NDArray[np.bool_]


class Trials:
    """All that is tried on one setting: ``shadows`` and ``victims`` are numbers of updates."""

    def __init__(self, lab: Laboratory, setting: Setting, profiles: Profiles, shadows: int, victims: int) -> None:
        self.lab, self.setting, self.profiles = lab, setting, profiles
        self.counts = {SHADOW: shadows, VICTIM: victims}
        self.reader = Reader(lab, setting, profiles)
        self._seen: dict[tuple[str, str], list[Seen]] = {}
        self._cases: dict[tuple[str, str], list[Case]] = {}
        self._spans: dict[tuple[str, bytes], Any] = {}
        self._asked: dict[str, list[tuple[list[Question], NDArray[np.float64]]]] = {}
        self._guess: Attack | None = None

    def samples(self, role: str) -> list[Sample]:
        """What was trained on for each update of ``role``, shadows or victims."""
        return [update.sample for update in self.lab.updates(role, self.setting, self.counts[role])]

    def seen(self, role: str, protection: Protection) -> list[Seen]:
        """What the aggregator sees of each update."""
        key = (role, protection.name)
        if key not in self._seen:
            observer = Observer(self.lab, self.setting, protection, role)
            updates = self.lab.updates(role, self.setting, self.counts[role], protection.trainer)
            self._seen[key] = [observer.see(update.delta) for update in updates]
        return self._seen[key]

    def cases(self, role: str, protection: Protection) -> list[Case]:
        """The learned attack's cases."""
        key = (role, protection.name)
        if key not in self._cases:
            self._cases[key] = self.reader.cases(self.seen(role, protection), [[s] for s in self.samples(role)])
        return self._cases[key]

    def tokens(self, protection: Protection, blocks: Mask | None = None) -> Gains:
        """Share of uncertain tokens that the learned attack recovers.

        ``blocks`` (bool [blocks], clear ones) leaves only these of what the protection shows.
        """
        clear = self.seen(SHADOW, protection)[0].blocks(self.lab)
        shadows, victims = self.cases(SHADOW, protection), self.cases(VICTIM, protection)
        if blocks is not None:
            clear = clear & blocks
            if not self.setting.adam:
                shadows = self._respanned(SHADOW, protection, clear)
                victims = self._respanned(VICTIM, protection, clear)
        columns = self.reader.columns(clear)
        attack, made = Attack(shadows, columns, self.lab.public), None
        if attack.columns is None and columns.any():
            forced = Attack(shadows, columns, self.lab.public, forced=True)
            made = np.array([forced.recovered(c) for c in victims])
        if self._guess is None:
            self._guess = Attack(shadows, None, self.lab.public)
        guess = self._guess
        found = gains([attack.recovered(c) for c in victims], [guess.recovered(c) for c in victims])
        return replace(found, made=made)

    def _respanned(self, role: str, protection: Protection, clear: Mask) -> list[Case]:
        """Cases whose span columns were made from the clear blocks alone."""
        key = (role, f"{protection.name}|{clear[list(self.profiles.first)].tobytes()!r}")
        if key not in self._cases:
            out = []
            rows = zip(self.cases(role, protection), self.seen(role, protection), self.samples(role), strict=True)
            first = np.zeros(len(clear), np.bool_)
            first[list(self.profiles.first)] = clear[list(self.profiles.first)]
            for case, seen, sample in rows:
                table = case.evidence.copy()
                table[:, -2:] = self.reader.span(seen, [sample.hospital], first) if first.any() else 0.0
                out.append(Case(case.prior, table, case.present))
            self._cases[key] = out
        return self._cases[key]

    def asked(self, role: str) -> list[tuple[list[Question], NDArray[np.float64]]]:
        """The questions about each sample, with their likelihoods at the start adapter."""
        if role not in self._asked:
            rows = [questions(self.lab, sample) for sample in self.samples(role)]
            self._asked[role] = [(row, likelihoods(self.lab, row, self.lab.start)) for row in rows]
        return self._asked[role]

    def answers(self, role: str, values: Sequence[Vector]) -> list[Choices]:
        """The span attack's choices from visible values, each float32 [total]."""
        out = []
        for (asked, guess), known in zip(self.asked(role), values, strict=True):
            after = likelihoods(self.lab, asked, (self.lab.start + self._step(known)).astype(np.float32))
            out.append(Choices(tuple(q.kind for q in asked), guess, after - guess))
        return out

    def _step(self, known: Vector) -> Vector:
        """As it was trained; a single small step is lengthened to a norm of one, so that it changes a likelihood."""
        norm = float(np.linalg.norm(known))
        return known if self.setting.adam or not norm else (known / np.float32(norm)).astype(np.float32)

    def spans(self, protection: Protection, blocks: Mask | None = None) -> Gains:
        """Share of a victim's identifiers told from decoys; ``blocks`` as in `tokens`."""
        key = (protection.name, b"" if blocks is None else blocks.tobytes())
        if key not in self._spans:
            pair = []
            for role in (SHADOW, VICTIM):
                values = [self._left(seen, blocks) for seen in self.seen(role, protection)]
                pair.append(self.answers(role, values))
            blind = Chooser(pair[0], informed=False)
            informed, helped = Chooser(pair[0]), helps(pair[0])
            made, guesses = ([float(c.right(a).mean()) for a in pair[1]] for c in (informed, blind))
            found = gains(made if helped else guesses, guesses)
            self._spans[key] = found if helped else replace(found, made=np.array(made))
        kept: Gains = self._spans[key]
        return kept

    def _left(self, seen: Seen, blocks: Mask | None) -> Vector:
        values = seen.reading()
        if blocks is None:
            return values
        kept = values.copy()
        for block, shown in zip(self.lab.layout.blocks, blocks, strict=True):
            if not shown:
                kept[block.offset : block.offset + block.size] = 0.0
        return kept
