"""A hospital's two ends: sealing an update, and opening a version after checking that it is what it claims to be.

Only holders import this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossward.encryption.committee.fields import Words, pack, unpack, word
from crossward.encryption.committee.masks import Seeds, pad, seal_seeds, tag_pad
from crossward.encryption.committee.opening import VersionRecord, payload_digest
from crossward.encryption.committee.roster import Roster, SealingCertificate
from crossward.encryption.committee.signatures import Sign
from crossward.encryption.committee.statements import TAG_PRIME, Rules, Statement, box_digests
from crossward.encryption.committee.tags import tag, tag_key
from crossward.encryption.keystream import PIECE, add_keystream
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
    """``sum_k n_k q_k`` of a version and what its dither leaves beyond its mean, int64 [n] of each block.

    Raises
    ------
    ListError
        the record's list is not one that may become a version.
    FieldError, VersionError
        the sum is not the weighted sum of the updates listed.
    """
    version = record.version
    version.check(roster, rules)
    plan, bits = version.plan, version.plan.field_bits
    if sum(record.counts) != version.count or len(record.blocks) != len(record.counts):
        raise VersionError(f"version {version.version} has {sum(record.counts)} fields, its updates {version.count}")
    key, total, first, out = tag_key(secret, version.lineage), 0, 0, []
    removed = plan.q_max * sum(version.weights) + plan.dither_mean * len(roster.carriers)
    for block, count in zip(record.blocks, record.counts, strict=True):
        fields = unpack(block, bits, count)
        fields -= pad(secret, version.digest, bits, first, count)
        fields &= word(bits).type((1 << bits) - 1)
        total += tag(key, [(first, fields)])
        out.append(fields.astype(np.int64) - removed)
        first += count
    listed = sum(weight * statement.tag for statement, weight in version.contributions)
    if (listed - record.tag - tag_pad(secret, version.digest) - total) % TAG_PRIME:
        raise VersionError(
            f"version {version.version} is not the sum of the updates of {', '.join(version.signers)} with weights "
            f"{list(version.weights)}: a committee member answered wrongly, an update's tag is wrong, or the "
            "aggregator changed the sum"
        )
    return out
