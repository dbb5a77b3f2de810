"""The aggregator with all that it stores and one member's keys learns of an update what its sum says, and no more.

A run's aggregator state, every message of it, and what is on members' disks are real: ``benchmarks.fuzz.assembly``.
The positive control is one member more than the threshold.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest, chisquare

from benchmarks.fuzz.assembly import PLAN, Assembly
from client_app.committee.payloads import CommitteePayloads
from client_app.update.sealer import UpdateSealer
from crossward.config.encryption_schemes import COMMITTEE
from crossward.encryption.committee.spelling import Proof, SealedFacts
from crossward.protocol.messages import ANSWER, CONSENT, TRAIN, RecordHead, Update
from crossward.protocol.parts import Payload
from crossward.protocol.wire import read_reply, read_task
from research.attacks.coalition import ONE, TWO, run
from research.attacks.controls import broken
from research.attacks.laboratory import Laboratory
from research.attacks.scores import COALITION, Score
from research.attacks.stolen import Ints, Keys, keys_on, unmasked
from strategies.aggregation.catchup import version_name

COUNT = 20_000
BITS = 15
FAR = 1e-6  # a fair test fails once in a million times


class Attacked:
    """A run, what its hospitals sealed, and what whoever has the aggregator's disk and network has of it."""

    def __init__(self, folder: Path) -> None:
        sealed: list[Ints] = []
        quantise, draw = UpdateSealer.quantise, np.random.default_rng(5)

        def noted(own: UpdateSealer, *given: Any) -> Any:
            delta, *rest = given
            made = quantise(own, draw.normal(0.0, 0.02, delta.shape).astype(np.float32), *rest)
            sealed.append(made.values.astype(np.int64))
            return made

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(UpdateSealer, "quantise", noted)
            self.run = Assembly(folder, "all", "here", dimension=COUNT)
        self.roster = self.run.keys[1].book.roster
        received = [read_reply(sent.reply) for sent in self.run.sent[TRAIN]]
        updates = [update for update in received if isinstance(update, Update)]
        self.updates = list(zip([self._parsed(u.committee, u.payload) for u in updates], sealed, strict=True))

    @staticmethod
    def _parsed(committee: bytes, payload: Payload) -> tuple[SealedFacts, list[bytes], list[int]]:
        parts = [part for part in payload if part.head.kind == COMMITTEE]
        return SealedFacts.from_bytes(committee), [bytes(p.data) for p in parts], [p.head.length for p in parts]

    def keys(self, members: Sequence[str]) -> Keys:
        """All sealing keys on the disks of ``members``."""
        return {m: keys_on(self.run.folder / "seats" / m, self.run.lineage) for m in members}

    def opened(self, version: int) -> Ints:
        """A version's sum, as every hospital opens it."""
        facts, payload = self.run.state.journal.open(version_name(version))
        made = self.run.state.run.versions[version]
        head = RecordHead(version, version, made.epoch, made.weight_sum, made.sign, made.key, made.dithered)
        sizes, out = self.run.nodes[1].learner.sizes, np.zeros(COUNT, np.int64)
        opener = CommitteePayloads(sizes, PLAN, self.run.vault, self.run.lineage, self.run.keys[1])
        for place, values in opener.open(payload, head._replace(proof=facts["proof"])):
            out[place] = values
        return out

    def left(self, members: Sequence[str]) -> Iterator[tuple[str, Ints, Ints]]:
        """Signer, what the coalition has of its update, and the truth, of every update of others."""
        keys = self.keys(members)
        for (facts, blocks, counts), truth in self.updates:
            if facts.statement.signer not in members:
                yield facts.statement.signer, unmasked(self.roster, keys, facts, blocks, counts), truth


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    return Attacked(tmp_path_factory.mktemp("attacked"))


def uniform(fields: NDArray[np.int64]) -> bool:
    """Whether numbers modulo 2^15 look uniform, in their upper and in their lower bits."""
    upper, lower = (fields >> 8) & 0x7F, fields & 0xFF
    return bool(min(chisquare(np.bincount(upper)).pvalue, chisquare(np.bincount(lower, minlength=256)).pvalue) > FAR)


def test_of_single_values_one_members_keys_tell_nothing_and_twos_all(attacked: Attacked) -> None:
    assert attacked.roster.threshold == 1 and len(attacked.updates) >= 12
    tried = 0
    for member in attacked.roster.committee:
        for _, left, truth in attacked.left([member]):
            tried += 1
            signed = truth != 0
            right = int(((left < 0) == (truth < 0))[signed].sum())
            assert binomtest(right, int(signed.sum()), 0.5).pvalue > FAR
            assert binomtest(int((left == truth).sum()), COUNT, 2.0**-BITS).pvalue > FAR
            assert uniform(left) and abs(np.corrcoef(left, truth)[0, 1]) < 5 / np.sqrt(COUNT)
    assert tried >= 40
    for pair in itertools.combinations(attacked.roster.committee, 2):
        assert all((left == truth).all() for _, left, truth in attacked.left(pair))


def test_beyond_the_opened_sum_no_combination_of_updates_tells_anything(attacked: Attacked) -> None:
    """With version 1's own weights they add up to its sum, as any hospital reads it; with others to noise."""
    proof = Proof.from_text(attacked.run.state.journal.open(version_name(1))[0]["proof"])
    (listed,), rng = proof.lists, np.random.default_rng(0)
    truths = {facts.statement.update: truth for (facts, _, _), truth in attacked.updates}
    exact = sum(weight * truths[statement.update] for statement, weight in listed.contributions)
    noise = attacked.opened(1) - exact  # of the dither
    assert 0 < np.abs(noise).max() <= len(attacked.roster.carriers) * PLAN.dither_mean
    for member in attacked.roster.committee:
        by_update = {
            facts.statement.update: (unmasked(attacked.roster, attacked.keys([member]), facts, blocks, counts), truth)
            for (facts, blocks, counts), truth in attacked.updates
        }
        pairs = [by_update[s.update] for s, _ in listed.contributions if s.signer != member]
        for _ in range(20):
            factors = rng.integers(-60, 60, len(pairs))
            factors[rng.integers(len(pairs))] |= 1  # an even factor alone would hide a bit
            mixed = sum(int(n) * left for n, (left, _) in zip(factors, pairs, strict=True))
            truth = sum(int(n) * values for n, (_, values) in zip(factors, pairs, strict=True))
            assert uniform(np.asarray(mixed) % (1 << BITS))
            assert abs(np.corrcoef(np.asarray(mixed) % (1 << BITS), truth)[0, 1]) < 5 / np.sqrt(COUNT)


def test_nothing_that_was_sent_or_kept_names_a_key(attacked: Attacked) -> None:
    """Private keys of members, and seeds, are in no message and in no file of the aggregator."""
    secrets = [key.data[-32:] for held in attacked.keys(attacked.roster.committee).values() for key in held.values()]
    secrets.append(attacked.run.vault.key.current.committee_key())  # type: ignore[union-attr]
    kept = [bytes(payload.data) for _, payload in attacked.run.state.journal.payloads.values()]  # type: ignore[attr-defined]
    for kind in (TRAIN, CONSENT, ANSWER):
        kept += [read_task(sent.task).committee for sent in attacked.run.sent[kind]]
    assert len(secrets) > 8 and not [1 for secret in secrets for data in kept if secret in data]


@pytest.fixture(scope="module")
def scores(lab: Laboratory) -> list[Score]:
    return run(lab, lambda text: None)


def test_the_suites_recovery_guesses_with_one_members_keys_and_recovers_with_twos(scores: list[Score]) -> None:
    assert {score.view for score in scores} == {COALITION} and broken(scores) == {}
    found = {(score.method, score.attack, score.metric): score for score in scores}
    for attack in ("span", "pursuit"):
        one, two = (found[protection.name, attack, "tokens"] for protection in (ONE, TWO))
        assert one.value < 0.1 < one.guess < 0.9 < two.value
    assert found[ONE.name, "signs of values", "signs"].equivalent
    assert found[TWO.name, "signs of values", "signs"].value == 1.0
    learned = [s for s in scores if s.method == ONE.name and s.attack == "learned"]
    assert len(learned) == 2 and all(s.low <= 0.0 for s in learned)
