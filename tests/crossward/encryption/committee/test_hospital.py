"""What is opened is the weighted sum, exactly, for every preset, committee, quorum and way to cut blocks."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossward.encryption.committee.fields import FieldError, pack, unpack
from crossward.encryption.committee.hospital import VersionError
from crossward.encryption.committee.statements import TAG_PRIME, ListError, Rules, weight_limit
from crossward.encryption.plan import PRESETS
from crossward.encryption.secret import Secret
from tests.crossward.encryption.committee.consortium import Consortium, Record

SIZES = [(2, 1), (3, 1), (4, 1), (3, 2), (4, 2), (5, 3), (7, 4)]


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    st.sampled_from(sorted(PRESETS)),
    st.sampled_from(SIZES),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(1, 6),
    st.data(),
)
def test_it_opens_to_the_clear_weighted_sum_at_equal_dither(
    tmp_path_factory: pytest.TempPathFactory,
    preset: str,
    size: tuple[int, int],
    counts: list[int],
    contributors: int,
    data: st.DataObject,
) -> None:
    plan, (members, threshold) = PRESETS[preset], size
    own = Consortium(tmp_path_factory.mktemp("c"), max(members, contributors), members, threshold, plan)
    most = weight_limit(plan, own.roster) // contributors
    weights = data.draw(st.lists(st.integers(1, most), min_size=contributors, max_size=contributors))
    asked = data.draw(st.permutations(own.roster.committee))[: data.draw(st.integers(own.roster.openers, members))]
    extreme = st.sampled_from([-plan.q_max, plan.q_max]) | st.integers(-plan.q_max, plan.q_max)
    values = [
        np.array(data.draw(st.lists(extreme, min_size=sum(counts), max_size=sum(counts)))) for _ in range(contributors)
    ]
    cuts = np.cumsum(counts)[:-1]
    updates = [own.seal(name, *np.split(v, cuts)) for name, v in zip(own.names, values, strict=False)]
    found = own.record(updates, weights, counts, asked)
    assert np.array_equal(own.open(found), own.expected(values, found.version, updates))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_nothing_overflows_with_everything_at_its_largest(tmp_path: Path, preset: str) -> None:
    own = Consortium(tmp_path, plan=PRESETS[preset])
    plan, most = own.plan, weight_limit(own.plan, own.roster)
    assert most == plan.total_weight
    assert weight_limit(plan, Consortium(tmp_path / "three", 3, 3, colluders=2).roster) == most - 1  # three carriers
    for sign, names in ((1, own.names[:2]), (-1, own.names[2:])):
        values = np.full(2000, sign * plan.q_max)
        updates = [own.seal(name, values) for name in names]
        found = own.record(updates, [most - 1, 1], [2000])
        assert np.array_equal(own.open(found), own.expected([values, values], found.version, updates))
    with pytest.raises(ListError, match=f"sum to {most + 1}, the fields hold {most}"):
        own.record([own.seal(name, values) for name in names], [most, 1], [2000])


def test_every_choice_of_members_opens_the_same_version(four: Consortium, rng: np.random.Generator) -> None:
    values = [four.values(rng, 50) for _ in range(4)]
    updates = [four.seal(name, v) for name, v in zip(four.names, values, strict=True)]
    listed = four.list(updates, [10, 20, 30, 40])
    expected = four.expected(values, listed, updates)
    found = {}
    for asked in itertools.combinations(four.names, 3):
        found[asked] = four.record(updates, [10, 20, 30, 40], [50], asked)
        assert np.array_equal(four.open(found[asked]), expected)
    assert len(set(found.values())) == 1


def test_blocks_open_for_themselves_in_any_order(four: Consortium, rng: np.random.Generator) -> None:
    """A share of a range is that range of the share, so that blocks are worked on wherever and whenever."""
    values = four.values(rng, 100_000)
    update = four.seal("h00", values[:70_001], values[70_001:])
    listed = four.list([update], [3])
    opened = four.opened("h02", listed, [update])
    subsets = four.roster.held("h02")

    def share(first: int, count: int) -> NDArray[Any]:
        return np.concatenate([fields for fields, _ in opened.share(subsets, first, count)])

    whole = share(0, 100_000)
    for first, count in ((70_001, 29_999), (0, 70_001), (65_535, 3), (99_999, 1)):
        assert np.array_equal(share(first, count), whole[first : first + count])
    two = opened.answer(subsets, [70_001, 29_999])
    for block, (first, count) in zip(two.blocks, ((0, 70_001), (70_001, 29_999)), strict=True):
        assert block == pack(whole[first : first + count], 15)


def test_values_beyond_their_bits_are_not_sealed(four: Consortium) -> None:
    for value in (128, -128):
        with pytest.raises(VersionError, match="a quantised value exceeds q_max = 127 of 8 value bits"):
            four.seal("h00", np.array([0, value]))
    small = four.seal("h00", np.array([-127, 127], dtype=np.int8))
    assert small.statement.count == 2


def test_a_wrong_sum_is_refused_by_every_node_even_if_all_get_the_same(
    strict: Consortium, rng: np.random.Generator
) -> None:
    values = [strict.values(rng, 64) for _ in range(4)]
    updates = [strict.seal(name, v) for name, v in zip(strict.names, values, strict=False)]
    found = strict.record(updates, [30, 31, 32, 34], [64])
    strict.open(found)

    def refused(wrong: Record, reason: str) -> None:
        with pytest.raises((VersionError, ListError), match=reason):
            strict.open(wrong)

    fields = unpack(found.blocks[0], 15, 64)
    for place in (0, 17, 63):
        shifted = fields.copy()
        shifted[place] += 1
        refused(replace(found, blocks=(pack(shifted, 15),)), "version 1 is not the sum of the updates of h00, h01")
    refused(replace(found, blocks=(pack(fields[::-1].copy(), 15),)), "is not the sum")
    refused(replace(found, tag=(found.tag + 1) % TAG_PRIME), "is not the sum")
    refused(replace(found, counts=(63,)), "is of 64 fields .*, the run has 63")
    # another list: other weights, a contributor less, another version number, an update of another time
    other = strict.list(updates, [31, 30, 32, 34])
    refused(replace(found, version=other), "is not the sum")
    # ... also where the aggregator, which sees the masked tags, makes the tags balance
    tags = [update.statement.tag for update in updates]
    balanced = (found.tag + (31 - 30) * tags[0] + (30 - 31) * tags[1]) % TAG_PRIME
    refused(replace(found, version=other, tag=balanced), "is not the sum")
    refused(replace(found, version=strict.list(updates, [30, 31, 32, 34], version=2)), "is not the sum")
    refused(replace(found, version=strict.list(updates[:2], [30, 31])), "2 contributors, this hospital demands 3")
    twice = strict.list([*updates[:2], strict.seal("h01", values[1])], [30, 31, 32])
    refused(replace(found, version=twice), "h01 contributes more than once")
    refused(replace(found, version=strict.list(updates, [60, 1, 1, 1])), "h00 weighs 60 of 63, this hospital allows 29")


def test_boxes_are_bound_to_the_tag(four: Consortium, rng: np.random.Generator) -> None:
    updates = [four.seal(name, four.values(rng, 20)) for name in four.names[:3]]
    statement = updates[1].statement
    other = replace(statement, tag=(statement.tag + 1) % TAG_PRIME).signed(four.keys["h01"].sign)
    updates[1] = replace(updates[1], statement=other)
    with pytest.raises(ListError, match="the seeds of h01 for h00 do not open"):
        four.record(updates, [1, 1, 1], [20])


def test_another_consortium_key_opens_nothing(four: Consortium, rng: np.random.Generator) -> None:
    updates = [four.seal(name, four.values(rng, 20)) for name in four.names[:3]]
    found = four.record(updates, [1, 1, 1], [20])
    with pytest.raises(VersionError, match="is not the sum"):
        four.open(found, bytes(32))


def test_what_the_aggregator_has_of_a_version_is_uniform(four: Consortium) -> None:
    """It sees no sum in the clear: the same zeros, opened twice, are two unrelated vectors."""
    from scipy.stats import chisquare

    seen = []
    for version in (1, 2):
        updates = [four.seal(name, np.zeros(100_000, dtype=np.int8)) for name in four.names[:3]]
        seen.append(unpack(four.record(updates, [10, 20, 30], [100_000], version=version).blocks[0], 15, 100_000))
    for found in (*seen, (seen[0] - seen[1]) & 0x7FFF):
        assert chisquare(np.bincount(found >> 8, minlength=128)).pvalue > 1e-6


def test_a_version_opens_only_with_the_answer_for_each_subset_once(four: Consortium, rng: np.random.Generator) -> None:
    updates = [four.seal(name, four.values(rng, 20)) for name in four.names[:3]]
    listed = four.list(updates, [1, 1, 1])
    answers = four.answers(listed, updates, [20], four.names)
    four.open(four.sum(listed, [20], updates, answers))
    for some in ([], answers[1:], answers[:-1], [*answers, answers[0]]):
        with pytest.raises(VersionError, match="is not the sum"):
            four.open(four.sum(listed, [20], updates, some))


def test_default_rules_are_three_contributors() -> None:
    assert Rules() == Rules(min_contributors=3, max_share=0.45)


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Consortium, Record, NDArray[np.int64]]:
    """A consortium, a version of it that checks out, and what it opens to."""
    own = Consortium(tmp_path_factory.mktemp("accepted"), rules=Rules(min_contributors=2, max_share=0.6))
    drawn = np.random.default_rng(1)
    updates = [own.seal(name, own.values(drawn, 30)) for name in own.names]
    found = own.record(updates, [20, 30, 35, 40], [30])
    return own, found, own.open(found)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.data())
def test_no_mutation_of_a_record_changes_an_accepted_sum(
    accepted: tuple[Consortium, Record, NDArray[np.int64]], data: st.DataObject
) -> None:
    own, found, sums = accepted
    kind = data.draw(st.sampled_from(["bit", "tag", "weight", "version", "statement", "swap", "drop"]))
    listed = found.version
    contributions = list(listed.contributions)
    place = data.draw(st.integers(0, len(contributions) - 1))
    statement, weight = contributions[place]
    if kind == "bit":
        block = bytearray(found.blocks[0])
        block[data.draw(st.integers(0, len(block) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        found = replace(found, blocks=(bytes(block),))
    elif kind == "tag":
        found = replace(found, tag=data.draw(st.integers(0, TAG_PRIME - 1)))
    elif kind == "version":
        found = replace(found, version=replace(listed, version=data.draw(st.integers(0, 9))))
    else:
        if kind == "weight":
            contributions[place] = (statement, data.draw(st.integers(-2, 60)))
        elif kind == "statement":
            name, values = data.draw(
                st.sampled_from(
                    [("tag", st.integers(0, 9)), ("digest", st.text("0a", max_size=3)), ("count", st.just(7))]
                )
            )
            contributions[place] = (replace(statement, **{name: data.draw(values)}), weight)
        elif kind == "swap":
            contributions = contributions[::-1]
        else:
            contributions.pop(place)
        found = replace(found, version=replace(listed, contributions=tuple(contributions)))
    try:
        opened = own.open(found)
    except (VersionError, ListError, FieldError):
        return
    assert np.array_equal(opened, sums)


def test_the_scheme_has_a_key_of_its_own_in_the_consortiums_secret() -> None:
    secret = Secret(bytes(32))
    own = {secret.committee_key(), secret.snapshot_key(), secret.hash_key(), secret.bfv_seed()[:32], secret.master}
    assert len(own) == 5 and len(secret.committee_key()) == 32
