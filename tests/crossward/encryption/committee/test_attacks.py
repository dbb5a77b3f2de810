"""Whoever holds the aggregator's whole state and t members' keys learns nothing of a single update.

Each attack has a positive control: the same attacker with one thing more succeeds, so that the attack is a real one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chisquare

from crossward.encryption.committee.boxes import BoxError
from crossward.encryption.committee.fields import unpack, word
from crossward.encryption.committee.hospital import SealedUpdate, VersionError
from crossward.encryption.committee.masks import Seeds, open_seeds, pad
from crossward.encryption.committee.member import Opened
from crossward.encryption.committee.statements import Consent, ListError, VersionList
from crossward.encryption.committee.stretch import Stretch, StretchError
from crossward.encryption.keystream import keystream
from tests.crossward.encryption.committee.consortium import LINEAGE, SECRET, Consortium, boxes

COUNT = 40_000
BITS = 15


def stolen(own: Consortium, update: SealedUpdate, members: Iterable[str]) -> dict[int, Seeds]:
    """Subset -> seeds of ``update`` that the keys of ``members`` open."""
    out: dict[int, Seeds] = {}
    for member in members:
        seeds = open_seeds(own.stretches[member].key, own.roster, member, update.statement, update.boxes[member])
        out |= dict.fromkeys(seeds.held, seeds)
    return out


def unmasked(own: Consortium, update: SealedUpdate, members: Iterable[str]) -> NDArray[Any]:
    """What is left of an update when all keystreams that these members know are taken off: b-bit fields."""
    fields = unpack(update.blocks[0], BITS, COUNT)
    for subset, seeds in stolen(own, update, members).items():
        fields -= keystream(seeds.mask_key(subset), word(BITS), 0, COUNT)
    return fields & ((1 << BITS) - 1)


@pytest.mark.parametrize(("size", "threshold"), [(2, 1), (3, 2), (4, 2), (5, 3)])
def test_t_members_keys_leave_an_update_uniform_and_one_more_opens_it(
    tmp_path: Path, size: int, threshold: int, rng: np.random.Generator
) -> None:
    own = Consortium(tmp_path, size, size, threshold)
    values = np.clip(np.rint(rng.normal(0, 20, COUNT)), -127, 127).astype(np.int64)
    update = own.seal("h00", values)
    for group in itertools.combinations(own.roster.committee, threshold):
        known = stolen(own, update, group)
        missing = set(range(len(own.roster.subsets))) - set(known)
        assert len(missing) == 1 and not set(group) & set(own.roster.subsets[missing.pop()])
        left = unmasked(own, update, group)
        assert chisquare(np.bincount(left >> 8, minlength=128)).pvalue > 1e-6
        assert chisquare(np.bincount(left & 0xFF, minlength=256)).pvalue > 1e-6
        assert abs(np.corrcoef(left, values)[0, 1]) < 0.025  # 5 standard deviations of chance
        assert np.mean(left.astype(np.int64) - own.plan.q_max == values) < 0.001
    for group in itertools.combinations(own.roster.committee, threshold + 1):
        assert np.array_equal(unmasked(own, update, group).astype(np.int64) - own.plan.q_max, values)


def test_what_an_opened_version_adds_is_its_sum_and_no_more(four: Consortium, rng: np.random.Generator) -> None:
    """Aggregator with all answers, the consortium's key and t = 2 members' keys, after the version was opened.

    Per field it knows c_k less all keystreams but one, and the weighted sum of those missing ones less the dither
    that it carries: one equation too few for every update, whatever the others' values are.
    """
    values = [np.clip(np.rint(rng.normal(0, 20, COUNT)), -127, 127).astype(np.int64) for _ in range(3)]
    updates = [four.seal(name, v) for name, v in zip(four.names, values, strict=False)]
    weights = [40, 42, 45]
    listed = four.list(updates, weights)
    missing = four.roster.subsets.index(("h00", "h01"))
    answer = four.opened("h00", listed, updates).answer((missing,), [COUNT])
    share = unpack(answer.blocks[0], BITS, COUNT)
    left = [unmasked(four, update, ("h02", "h03")) for update in updates]
    # the sum: known to it by collusion, with the dither of the carrier that it cannot compute
    total = sum(np.int64(w) * part for w, part in zip(weights, left, strict=True)) - share
    carried = four.carried(listed, updates) if missing in four.roster.carriers else {}
    if missing == 0:
        total = total - pad(SECRET, listed.digest, BITS, 0, COUNT)
    total = total % (1 << BITS) - four.plan.q_max * sum(weights)
    clear = sum(w * v for w, v in zip(weights, values, strict=True))
    noise = total - clear
    assert missing in four.roster.carriers and np.array_equal(noise, carried[missing])
    assert chisquare(np.bincount(noise, minlength=127)).pvalue > 1e-6
    # the knapsack: with the dither no pair of the others' values fits better than the sum in real numbers says
    for part, value in zip(left, values, strict=True):
        assert chisquare(np.bincount(part >> 8, minlength=128)).pvalue > 1e-6
        assert abs(np.corrcoef(part, value)[0, 1]) < 0.025
    # positive control: one member more
    assert np.array_equal(unmasked(four, updates[0], ("h01", "h02", "h03")).astype(np.int64) - 127, values[0])


def test_without_a_member_the_aggregator_has_a_uniform_sum(four: Consortium) -> None:
    updates = [four.seal(name, np.full(COUNT, 77)) for name in four.names[:3]]
    found = four.record(updates, [40, 42, 45], [COUNT])
    seen = unpack(found.blocks[0], BITS, COUNT)
    assert chisquare(np.bincount(seen >> 8, minlength=128)).pvalue > 1e-6
    assert chisquare(np.bincount(seen & 0xFF, minlength=256)).pvalue > 1e-6
    assert abs(four.open(found).mean() - 77 * 127) < 2  # positive control: with the consortium's key


def knapsack(
    sums: NDArray[np.int64], weights: tuple[int, int], noise: int, prior: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The likeliest first value of two, of ``weights[0] * a + weights[1] * b + d`` with d uniform over 0 .. noise."""
    values = np.arange(-127, 128)
    table = weights[0] * values[:, None] + weights[1] * values[None, :]
    joint = prior[:, None] * prior[None, :]
    fits = [np.where((table <= total) & (table >= total - noise), joint, 0).sum(axis=1) for total in sums]
    return values[np.argmax(fits, axis=1)]


def test_the_dither_keeps_a_colluding_contributor_from_separating_the_others(four: Consortium) -> None:
    """Aggregator, a contributor that is on the committee and knows the weights: two unknown values a field.

    Without the carrier that it lacks it does as well as on a sum of real numbers; with it, the sum is a knapsack.
    """
    rng, count = np.random.default_rng(5), 1500
    values = [np.clip(np.rint(rng.normal(0, 20, count)), -127, 127).astype(np.int64) for _ in range(3)]
    prior = np.exp(-(np.arange(-127, 128) ** 2) / 800.0)
    weights, coalition = [37, 43, 48], "h02"
    updates = [four.seal(name, v) for name, v in zip(four.names, values, strict=False)]
    found = four.record(updates, weights, [count])
    carried = four.carried(found.version, updates)
    held = four.roster.held(coalition)
    assert len(set(carried) - set(held)) >= 1
    own = weights[2] * values[2] - four.plan.dither_mean * len(carried)
    left = four.open(found) - own - sum(drawn for subset, drawn in carried.items() if subset in held)
    unknown = sum(drawn for subset, drawn in carried.items() if subset not in held)
    hits = np.mean(knapsack(left, (37, 43), 126, prior) == values[0])
    exact = np.mean(knapsack(left - unknown, (37, 43), 0, prior) == values[0])
    assert exact > 0.25 and hits < 0.06, (hits, exact)


# ---------------------------------------------------------------------- an aggregator that lies


def colluding(own: Consortium, name: str, version: VersionList, updates: Sequence[SealedUpdate]) -> Opened:
    """A member that keeps no record."""
    seeds = own.member(name).check(version, boxes(updates, name))
    return Opened(name, own.roster, version, SECRET, seeds, own.keys[name].sign)


def split_view(own: Consortium, traitors: Sequence[str], sides: Sequence[int]) -> int:
    """How many of two lists of the same updates the aggregator opens that shows honest member i list ``sides[i]``."""
    updates = [own.seal(name, np.arange(50) % 100) for name in own.names[:3]]
    lists = [own.list(updates, [40, 42, 45]), own.list(updates, [45, 42, 40])]
    honest = [name for name in own.roster.committee if name not in traitors]
    consents: list[list[Consent]] = [[], []]
    for name, side in zip(honest, sides, strict=True):
        consents[side].append(own.member(name).consent(lists[side], boxes(updates, name)))
        with pytest.raises(StretchError, match="was opened before"):
            own.member(name).consent(lists[1 - side], boxes(updates, name))
        with pytest.raises((StretchError, ListError), match=r"was opened before|consented to this list"):
            own.member(name).open(lists[1 - side], boxes(updates, name), consents[1 - side])
    for name, side in itertools.product(traitors, (0, 1)):
        consent = Consent(name, lists[side].digest)
        consents[side].append(replace(consent, signature=own.keys[name].sign(consent.canonical)))
    opened_lists = 0
    for side, listed in enumerate(lists):
        answers = {}
        for name in traitors:
            opened = colluding(own, name, listed, updates)
            answers |= {subset: opened.answer((subset,), [50]) for subset in own.roster.held(name)}
        for name in (name for name, chosen in zip(honest, sides, strict=True) if chosen == side):
            try:
                opened = own.member(name).open(listed, boxes(updates, name), consents[side])
            except ListError:
                continue
            answers |= {subset: opened.answer((subset,), [50]) for subset in own.roster.held(name)}
        try:
            own.open(own.sum(listed, [50], updates, list(answers.values())))
            opened_lists += 1
        except VersionError:
            continue
    return opened_lists


@pytest.mark.parametrize("threshold", [1, 2])
@pytest.mark.parametrize("sides", list(itertools.product((0, 1), repeat=3)))
def test_members_shown_two_lists_open_one_at_most(tmp_path: Path, threshold: int, sides: tuple[int, ...]) -> None:
    """With a colluding member that answers both. Two sums of the same updates would tell them apart."""
    assert split_view(Consortium(tmp_path, threshold=threshold), ["h03"], sides) == 1


@pytest.mark.parametrize("threshold", [1, 2])
def test_one_colluding_member_more_than_the_roster_allows_for_opens_both(tmp_path: Path, threshold: int) -> None:
    assert split_view(Consortium(tmp_path, threshold=threshold), ["h02", "h03"], (0, 1)) == 2


PLANE = ([30, 40, 50], [50, 40, 30], [40, 40, 40])  # twice the last is the sum of the first two


def answered_in_one_plane(own: Consortium, values: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Three members, each shown its own list of the same updates; two weighted sums that their answers add up to.

    No list is answered by two members, so no single one opens. But what a subset lacks of one list is twice its share
    of the last less its share of the other. The attacker is the aggregator and a hospital outside the committee.
    """
    updates = [own.seal(name, v) for name, v in zip(own.names[:3], values, strict=True)]
    lists = [own.list(updates, weights) for weights in PLANE]
    shares: dict[tuple[int, int], Any] = {}
    for number, (member, listed) in enumerate(zip(own.roster.committee, lists, strict=True)):
        opened = own.member(member).open(
            listed, boxes(updates, member), [own.member(member).consent(listed, boxes(updates, member))]
        )
        for subset in own.roster.held(member):
            share = unpack(opened.answer((subset,), [listed.count]).blocks[0], BITS, listed.count).astype(np.int64)
            if subset == 0:
                share += pad(SECRET, listed.digest, BITS, 0, listed.count)
            shares[number, subset] = share
    out = []
    for number, other in ((0, 1), (1, 0)):
        total = sum(
            w * unpack(u.blocks[0], BITS, u.statement.count).astype(np.int64)
            for w, u in zip(PLANE[number], updates, strict=True)
        )
        for subset in range(3):
            known = shares.get((number, subset))
            total = total - (known if known is not None else 2 * shares[2, subset] - shares[other, subset])
        out.append(total % (1 << BITS) - own.plan.q_max * sum(PLANE[number]))
    return out


def test_lists_in_one_plane_open_nothing_since_a_quorum_must_consent(tmp_path: Path, rng: np.random.Generator) -> None:
    own = Consortium(tmp_path, 4, 3, threshold=1)
    with pytest.raises(ListError, match=r"1 members .h00. consented to this list, it takes 3"):
        answered_in_one_plane(own, np.array([own.values(rng, 500) for _ in range(3)]))


def test_without_consents_lists_in_one_plane_open_two_sums(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positive control: no member colludes, none answers twice, and a difference of two single updates is out."""
    monkeypatch.setattr(VersionList, "check_consents", lambda self, roster, consents, own: None)
    own = Consortium(tmp_path, 4, 3, threshold=1)
    values = np.array([own.values(rng, 500) for _ in range(3)])
    for found, weights in zip(answered_in_one_plane(own, values), PLANE, strict=False):
        noise = found - np.array(weights) @ values
        assert np.abs(noise).max() <= 126 * 6  # the dithers
    first, second = answered_in_one_plane(Consortium(tmp_path / "again", 4, 3, threshold=1), values)
    assert np.corrcoef(second - first, values[0] - values[2])[0, 1] > 0.99


def test_an_update_cannot_be_carried_into_a_list_under_another_name(strict: Consortium, rng: Any) -> None:
    """A hospital that colludes signs an honest one's boxes, blocks and seeds' commitments as its own."""
    honest, others = (
        strict.seal("h00", strict.values(rng, 20)),
        [strict.seal(name, strict.values(rng, 20)) for name in ("h01", "h02")],
    )
    copied = replace(honest.statement, signer="h04").signed(strict.keys["h04"].sign)
    mirrored = SealedUpdate(copied, honest.blocks, honest.boxes)
    listed = strict.list([*others, mirrored], [40, 40, 40])
    with pytest.raises(ListError, match="the seeds of h04 for h00 do not open"):
        strict.opened("h00", listed, [*others, mirrored])


def test_replayed_seeds_are_no_second_mask(four: Consortium, rng: np.random.Generator) -> None:
    """The difference of two updates sealed with the same seeds would be in the clear, were the masks the same."""
    update = four.seal("h00", four.values(rng, 1000))
    seeds = next(iter(stolen(four, update, ["h00"]).values()))
    again = replace(seeds, update="f" * 32)
    for subset in seeds.held:
        first, second = (keystream(s.mask_key(subset), word(BITS), 0, 1000) for s in (seeds, again))
        assert np.mean(first == second) < 0.01


def test_keys_copied_after_a_stretch_was_closed_open_nothing_that_was_sent_in_it(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    own = Consortium(tmp_path)
    update = own.seal("h00", own.values(rng, 20))
    assert len(stolen(own, update, own.names)) == 6  # before: everything
    for member in own.names:
        own.stretches[member].destroy()
        own.stretches[member] = Stretch.create(tmp_path / member, LINEAGE, 2)
    for member in own.names:
        assert (
            b"".join(path.read_bytes() for path in (tmp_path / member).glob("*.key")) == own.stretches[member].key.data
        )
        with pytest.raises(BoxError, match="do not open"):
            stolen(own, update, [member])


def test_nothing_secret_is_in_what_the_aggregator_gets(four: Consortium, rng: np.random.Generator) -> None:
    updates = [four.seal(name, four.values(rng, 50)) for name in four.names[:3]]
    found = four.record(updates, [40, 42, 45], [50])
    state = repr((updates, found, four.book, four.certificates)).encode() + four.book.to_bytes()
    secrets = [SECRET, *(s.key.data[:64] for s in four.stretches.values())]
    secrets += [seed for u in updates for s in stolen(four, u, four.names).values() for seed in s.held.values()]
    assert len(secrets) > 20
    for secret in secrets:
        assert secret.hex().encode() not in state and repr(secret).encode()[2:-1] not in state
    assert found.version.digest.encode() in repr(four.opened("h00", found.version, updates).answer((0,), [50])).encode()
