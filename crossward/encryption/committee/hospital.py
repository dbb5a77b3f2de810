"""A hospital's update: quantised values under one-time masks, whose seeds go to the committee's members in boxes.

Not for: opening a version (``crossward.encryption.committee.records``).

Only holders import this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

from numpy.typing import NDArray

from crossward.encryption.committee.fields import Words, pack, word
from crossward.encryption.committee.masks import Seeds, seal_seeds
from crossward.encryption.committee.opening import payload_digest
from crossward.encryption.committee.roster import Roster, SealingCertificate
from crossward.encryption.committee.signatures import Sign
from crossward.encryption.committee.statements import TAG_PRIME, Statement, box_digests
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
    rank: int = 0,
) -> SealedUpdate:
    """Quantised values, [n] of any integer type in [-q_max, q_max] for each block, sealed under fresh seeds.

    Each of ``blocks`` is sealed before the next is taken: beyond the sealed bytes, memory holds one of them.
    ``secret`` is the consortium's (``crossward.encryption.secret.Secret.committee_key``), ``certificates`` are the
    committee's sealing keys of ``stretch``, by member; as many may lack as members may be absent. ``rank`` is how many
    components the hospital trains, 0 for all; the values of others are zeros.

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
        rank=rank,
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
