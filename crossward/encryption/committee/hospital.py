"""A hospital's two ends: sealing an update, and opening a version after checking that it is what it claims to be.

Only holders import this module.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossward.encryption.committee.fields import Words, check, chunks, pack, word
from crossward.encryption.committee.masks import Seeds, pad, seal_seeds, tag_pad
from crossward.encryption.committee.opening import VersionRecord, payload_digest
from crossward.encryption.committee.roster import Roster, SealingCertificate
from crossward.encryption.committee.signatures import Sign
from crossward.encryption.committee.statements import TAG_PRIME, Rules, Statement, VersionList, box_digests
from crossward.encryption.committee.tags import tag, tag_key
from crossward.encryption.keystream import PIECE, add_keystream
from crossward.encryption.packing import Buffer
from crossward.encryption.plan import FieldPlan


class VersionError(ValueError):
    """A version is not the sum that its record claims."""

    tellable = True  # see client_app.guard.refusals


@dataclass(frozen=True)
class SealedUpdate:
    """What a hospital sends: its signed statement, the sealed blocks, a box for each member of the committee."""

    statement: Statement
    blocks: tuple[bytes, ...]
    boxes: Mapping[str, bytes]


def seal_update(
    roster: Roster,
    lineage: str,
    stretch: int,
    signer: str,
    sign: Sign,
    certificates: Mapping[str, SealingCertificate],
    plan: FieldPlan,
    secret: bytes,
    blocks: Iterable[NDArray[Any]],
) -> SealedUpdate:
    """Quantised values, [n] of any integer type in [-q_max, q_max] for each block, sealed under fresh seeds.

    Each of ``blocks`` is sealed before the next is taken: beyond the sealed bytes, memory holds one of them.
    ``secret`` is the consortium's (``crossward.encryption.secret.Secret.committee_key``), ``certificates`` are the
    committee's sealing keys of ``stretch``, by member; as many may lack as members may be absent.

    Raises
    ------
    VersionError
        a value does not fit its bits.
    RosterError
        too many sealing keys are missing, or one is not its member's.
    """
    seeds = Seeds.draw(roster, lineage, signer)
    key, keys = tag_key(secret, lineage), [seeds.mask_key(subset) for subset in seeds.held]
    sealed, total, first = [], sum(seeds.tag_mask(subset) for subset in seeds.held), 0
    for values in blocks:
        packed = []
        for start in range(0, values.size, PIECE):
            fields = _fields(values[start : start + PIECE], plan)
            total += tag(key, [(first, fields)])
            for mask_key in keys:
                add_keystream(fields, mask_key, first)
            packed.append(pack(fields, plan.field_bits))
            first += fields.size
        sealed.append(b"".join(packed))
    statement = Statement(
        lineage=lineage,
        roster=roster.fingerprint,
        signer=signer,
        update=seeds.update,
        stretch=stretch,
        bits=astuple(plan),
        count=first,
        digest=payload_digest(sealed),
        tag=total % TAG_PRIME,
        seeds=tuple(seeds.commitment(subset) for subset in sorted(seeds.held)),
        boxes=(),
    )
    boxes = seal_seeds(seeds, roster, statement, certificates)
    return SealedUpdate(replace(statement, boxes=box_digests(roster, boxes)).signed(sign), tuple(sealed), boxes)


def _fields(values: NDArray[Any], plan: FieldPlan) -> Words:
    """Signed values as unsigned fields."""
    if values.size and max(int(values.max()), -int(values.min())) > plan.q_max:
        raise VersionError(f"a quantised value exceeds q_max = {plan.q_max} of {plan.value_bits} value bits")
    kind = word(plan.field_bits)
    fields: Words = values.astype(kind)  # modulo the word, so that q_max brings negative values back
    fields += kind.type(plan.q_max)
    return fields


def open_version(roster: Roster, rules: Rules, secret: bytes, record: VersionRecord) -> list[NDArray[np.int64]]:
    """:func:`opened_blocks`, all of them."""
    return list(opened_blocks(roster, rules, secret, record))


def opened_blocks(roster: Roster, rules: Rules, secret: bytes, record: VersionRecord) -> Iterator[NDArray[np.int64]]:
    """``sum_k n_k q_k`` of a version and what its dither leaves beyond its mean, int64 [n] of each block.

    The whole version is checked before its first block comes. Memory holds a block at a time.

    Raises
    ------
    ListError
        the record's list is not one that may become a version.
    FieldError, VersionError
        the sum is not the weighted sum of the updates listed.
    """
    check_version(roster, rules, secret, record)
    version = record.version
    removed = version.plan.q_max * sum(version.weights) + version.plan.dither_mean * len(roster.carriers)
    for first, block, count in _placed(record):
        out = np.empty(count, dtype=np.int64)
        for at, fields in _unpadded(secret, version, first, block, count):
            np.subtract(fields, removed, out=out[at - first :][: fields.size], dtype=np.int64)
        yield out


def check_version(roster: Roster, rules: Rules, secret: bytes, record: VersionRecord) -> None:
    """Refuse a version that is not the sum that its record claims; as :func:`opened_blocks` does."""
    version = record.version
    version.check(roster, rules)
    if sum(record.counts) != version.count or len(record.blocks) != len(record.counts):
        raise VersionError(f"version {version.version} has {sum(record.counts)} fields, its updates {version.count}")
    key, total = tag_key(secret, version.lineage), record.tag + tag_pad(secret, version.digest)
    for first, block, count in _placed(record):
        check(block, version.plan.field_bits, count)
        total += tag(key, _unpadded(secret, version, first, block, count))
    listed = sum(weight * statement.tag for statement, weight in version.contributions)
    if (listed - total) % TAG_PRIME:
        raise VersionError(
            f"version {version.version} is not the sum of the updates of {', '.join(version.signers)} with weights "
            f"{list(version.weights)}: a committee member answered wrongly, an update's tag is wrong, or the "
            "aggregator changed the sum"
        )


def _placed(record: VersionRecord) -> Iterator[tuple[int, Buffer, int]]:
    """(first field, block, fields of it)."""
    firsts = itertools.accumulate(record.counts, initial=0)
    return zip(firsts, record.blocks, record.counts, strict=False)


def _unpadded(
    secret: bytes, version: VersionList, first: int, block: Buffer, count: int
) -> Iterator[tuple[int, Words]]:
    """(first field, fields without the pad) of consecutive chunks of a block."""
    bits = version.plan.field_bits
    for start, fields in chunks(block, bits, count):
        plain = fields - pad(secret, version.digest, bits, first + start, fields.size)
        plain &= word(bits).type((1 << bits) - 1)
        yield first + start, plain
