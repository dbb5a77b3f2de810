"""Masks are fresh, seekable, separated by what they belong to; seeds reach whom they were sealed to and nobody else."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare

from crossward.encryption.committee.boxes import BOX_BYTES, BoxError, SealingKey, seal
from crossward.encryption.committee.masks import Seeds, open_seeds, pad, tag_pad
from crossward.encryption.committee.roster import RosterError
from crossward.encryption.keystream import keystream
from tests.crossward.encryption.committee.consortium import LINEAGE, Consortium


@pytest.fixture
def four(tmp_path: Path) -> Consortium:
    return Consortium(tmp_path)


@pytest.mark.parametrize("bits", [15, 20])
def test_a_mask_is_uniform(four: Consortium, bits: int) -> None:
    mask = Seeds.draw(four.roster, LINEAGE, "h00").mask(bits, 0, 200_000) & ((1 << bits) - 1)
    assert chisquare(np.bincount(mask >> (bits - 7), minlength=128)).pvalue > 1e-6
    assert chisquare(np.bincount(mask & 127, minlength=128)).pvalue > 1e-6


def test_a_mask_is_the_sum_of_its_subsets_however_it_is_cut(four: Consortium) -> None:
    seeds = Seeds.draw(four.roster, LINEAGE, "h00")
    whole = seeds.mask(15, 0, 70_000)
    parts = sum(keystream(seeds.mask_key(subset), np.dtype("<u2"), 0, 70_000) for subset in range(6))
    assert np.array_equal(whole, parts)
    assert np.array_equal(seeds.mask(15, 69_000, 500), whole[69_000:69_500])


def test_a_seed_that_is_sent_again_is_another_mask(four: Consortium) -> None:
    seeds = Seeds.draw(four.roster, LINEAGE, "h00")
    base = seeds.mask(15, 0, 1000)
    for other in (
        replace(seeds, lineage="lineage-2"),
        replace(seeds, signer="h01"),
        replace(seeds, update="0" * 32),
        replace(seeds, held={1: seeds.held[0]}),
    ):
        assert np.mean(other.mask(15, 0, 1000) == base) < 0.01
        assert other.tag_mask(next(iter(other.held))) != seeds.tag_mask(next(iter(other.held)))


def test_seeds_are_fresh_and_neither_shown_nor_pickled(four: Consortium) -> None:
    drawn = [Seeds.draw(four.roster, LINEAGE, "h00") for _ in range(50)]
    values = {seed for seeds in drawn for seed in seeds.held.values()}
    assert len(values) == 50 * 6 and {len(seed) for seed in values} == {32}
    assert len({seeds.update for seeds in drawn}) == 50
    assert not any(seed.hex() in repr(drawn[0]) or repr(seed) in repr(drawn[0]) for seed in drawn[0].held.values())
    with pytest.raises(TypeError, match="seeds are never pickled"):
        pickle.dumps(drawn[0])
    with pytest.raises(TypeError, match="a sealing key is never pickled"):
        pickle.dumps(SealingKey.generate())


def test_pads_follow_from_secret_and_list() -> None:
    base, again = pad(bytes(32), "list", 15, 0, 1000), pad(bytes(32), "list", 15, 10, 10)
    assert np.array_equal(base[10:20], again)
    for secret, digest in ((b"\1" * 32, "list"), (bytes(32), "another")):
        assert np.mean(pad(secret, digest, 15, 0, 1000) == base) < 0.01
        assert tag_pad(secret, digest) != tag_pad(bytes(32), "list")


def test_each_member_gets_the_seeds_of_its_subsets_and_no_others(four: Consortium) -> None:
    update = four.seal("h00", np.zeros(10, dtype=np.int64))
    found: dict[int, set[bytes]] = {}
    for member, stretch in four.stretches.items():
        seeds = open_seeds(stretch.key, four.roster, member, update.statement, update.boxes[member])
        assert tuple(seeds.held) == four.roster.held(member) and len(seeds.held) == 3
        assert len(update.boxes[member]) == BOX_BYTES + 32 * 3
        for subset, seed in seeds.held.items():
            found.setdefault(subset, set()).add(seed)
    assert sorted(found) == list(range(6)) and all(len(same) == 1 for same in found.values())


def test_boxes_open_for_their_member_update_and_signer_only(four: Consortium) -> None:
    update, other = (four.seal(name, np.zeros(10, dtype=np.int64)) for name in ("h00", "h01"))

    def refused(member: str, statement: object, box: bytes, reason: str) -> None:
        with pytest.raises(BoxError, match=reason):
            open_seeds(four.stretches[member].key, four.roster, member, statement, box)  # type: ignore[arg-type]

    box = update.boxes["h02"]
    swapped = "the seeds of h00 for h02 are not those that h00 signed: they were swapped or changed"
    refused("h02", update.statement, other.boxes["h02"], swapped)
    refused("h02", update.statement, update.boxes["h03"], swapped)
    refused("h02", update.statement, box[:-1] + bytes([box[-1] ^ 1]), swapped)
    # a hospital that signs somebody else's box, or one of its own earlier update
    from hashlib import sha256

    def claims(statement: object) -> object:
        digests = [sha256(b).hexdigest() for _, b in sorted(update.boxes.items())]
        return replace(statement, boxes=tuple(digests))  # type: ignore[type-var]

    refused("h02", claims(other.statement), box, "the seeds of h01 for h02 do not open")
    refused("h02", replace(update.statement, update="1" * 32), box, "do not open")
    refused("h02", replace(update.statement, digest="1" * 64), box, "do not open")
    refused("h02", replace(update.statement, lineage="lineage-2"), box, "do not open")


def test_seeds_other_than_those_committed_to_are_refused(four: Consortium) -> None:
    """A hospital that gives two members different seeds would make an honest one look like a liar."""
    from hashlib import sha256

    from crossward.encryption.committee.masks import _info

    statement = four.seal("h00", np.zeros(10, dtype=np.int64)).statement
    box = seal(four.certificates["h01"].key, bytes(96), _info(statement, "h01"))
    statement = replace(statement, boxes=(*statement.boxes[:1], sha256(box).hexdigest(), *statement.boxes[2:]))
    with pytest.raises(BoxError, match="are not those that h00 committed to"):
        open_seeds(four.stretches["h01"].key, four.roster, "h01", statement, box)
    short = seal(four.certificates["h01"].key, bytes(64), _info(statement, "h01"))
    statement = replace(statement, boxes=(*statement.boxes[:1], sha256(short).hexdigest(), *statement.boxes[2:]))
    with pytest.raises(BoxError, match="are 64 bytes, expected 32 for each of 3 subsets"):
        open_seeds(four.stretches["h01"].key, four.roster, "h01", statement, short)


def test_sealing_keys_are_checked_before_anything_is_sealed_to_them(four: Consortium) -> None:
    zeros, mine = np.zeros(10, dtype=np.int64), SealingKey.generate()
    certificates = dict(four.certificates)
    for certificate, reason in (
        (replace(certificates["h01"], key=mine.public), "h01 is not signed by its identity key: it was swapped"),
        (replace(certificates["h01"], stretch=2), "for another member, lineage or stretch than 1"),
        (replace(certificates["h01"], lineage="x"), "for another member, lineage or stretch"),
        (certificates["h02"], "the sealing key of h01 is for another member"),
    ):
        four.certificates = certificates | {"h01": certificate}
        with pytest.raises(RosterError, match=reason):
            four.seal("h00", zeros)
    four.certificates = {name: c for name, c in certificates.items() if name < "h02"}
    with pytest.raises(RosterError, match="there is no sealing key of h02, h03 for stretch 1: of this committee 1 may"):
        four.seal("h00", zeros)
    with pytest.raises(BoxError, match="a public sealing key of 3 bytes: expected 1216"):
        seal(b"abc", b"", b"")
    with pytest.raises(BoxError, match="a sealing key of 3 bytes: expected 96"):
        SealingKey(b"abc")
