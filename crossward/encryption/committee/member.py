"""A committee member's answer to a list of updates: its share of the masks' weighted sum, once and for one list only.

A member opens an update in one list, for ever. Before anything leaves it checks the list (signatures, distinct signers
of the roster, contributors, weights), opens its seeds of every update and compares them with what the signers committed
to, and writes the list down durably. It then consents, and answers once a quorum has consented. Its share of a subset
follows from the list alone: two members that hold the subset give the same bytes, and asking again gives them again.

The first subset's share carries the pad, so that no choice of subsets opens a sum in the clear. The carriers' shares
carry the dither: for each, integers uniform over 0 .. W-2 a field, from a key that takes the seeds of *all*
contributors for that subset to know. A contributor knows only its own seeds, and any coalition of members that the
roster allows for (``Roster.colluders``) lacks one carrier whole.

Only holders import this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from crossward.encryption.committee.boxes import BoxError
from crossward.encryption.committee.fields import Words, pack, word
from crossward.encryption.committee.masks import PIECE, Seeds, joint_key, keystream, open_seeds, pad, tag_pad
from crossward.encryption.committee.opening import Answer
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.signatures import Sign
from crossward.encryption.committee.statements import TAG_PRIME, Consent, ListError, Rules, VersionList
from crossward.encryption.committee.stretch import Stretch
from crossward.encryption.committee.tags import tag, tag_key
from crossward.encryption.dither import Dither, VersionDither


@dataclass(frozen=True)
class Opened:
    """A list that a member has written down as opened: its shares of it."""

    member: str
    roster: Roster
    version: VersionList
    secret: bytes = field(repr=False)
    seeds: tuple[Seeds, ...] = field(repr=False)
    sign: Sign = field(repr=False)

    def answer(self, subsets: Sequence[int], counts: Sequence[int]) -> Answer:
        """The signed sum of the shares of ``subsets``, of blocks of ``counts`` fields.

        Raises
        ------
        ListError
            the member does not hold a subset, or the blocks are not the updates' fields.
        """
        if foreign := sorted(set(subsets) - set(self.roster.held(self.member))):
            raise ListError(f"{self.member} does not hold subsets {foreign}")
        if sum(counts) != self.version.count or min(counts, default=0) < 1 or len(set(subsets)) != len(subsets):
            raise ListError(f"asked for {sum(counts)} fields of {self.version.count}, or a subset twice")
        firsts = np.cumsum([0, *counts])
        bits = self.version.plan.field_bits
        blocks = tuple(
            pack(self.share(subsets, int(first), count), bits) for first, count in zip(firsts, counts, strict=False)
        )
        tag_share = sum(self.tag_share(subset) for subset in subsets) % TAG_PRIME
        return Answer(self.member, self.version.digest, tuple(subsets), blocks, tag_share).signed(self.sign)

    def share(self, subsets: Sequence[int], first: int, count: int) -> Words:
        """The shares of ``subsets`` of fields ``first`` to ``first + count - 1``, added up."""
        bits = self.version.plan.field_bits
        kind = word(bits)
        dithers = [self._dither(subset) for subset in subsets if subset in self.roster.carriers]
        keys = [[seeds.mask_key(subset) for subset in subsets] for seeds in self.seeds]
        total = np.zeros(count, dtype=kind)
        for start in range(0, count, PIECE):
            piece, at = total[start : start + PIECE], first + start
            for made, weight in zip(keys, self.version.weights, strict=True):
                mask = np.zeros(piece.size, dtype=kind)
                for key in made:
                    mask += keystream(key, kind, at, piece.size)
                mask *= kind.type(weight)
                piece += mask
            if 0 in subsets:
                piece -= pad(self.secret, self.version.digest, bits, at, piece.size)
            for dither in dithers:
                piece -= dither(at, piece.size).astype(kind)
        return total

    def tag_share(self, subset: int) -> int:
        """The share of the tag that belongs to ``subset``."""
        weighted = zip(self.seeds, self.version.weights, strict=True)
        share = sum(weight * seeds.tag_mask(subset) for seeds, weight in weighted)
        if subset == 0:
            share -= tag_pad(self.secret, self.version.digest)
        if subset in self.roster.carriers:
            dither, kind, count = self._dither(subset), word(self.version.plan.field_bits), self.version.count
            pieces = ((at, dither(at, min(PIECE, count - at)).astype(kind)) for at in range(0, count, PIECE))
            share -= tag(tag_key(self.secret, self.version.lineage), pieces)
        return share % TAG_PRIME

    def _dither(self, subset: int) -> VersionDither:
        v = self.version
        key = joint_key(self.seeds, subset, v.digest)
        made = Dither(key).version(v.plan.total_weight, v.version, v.signers, v.weights)
        if made is None:  # a Dither always has one; NoDither is for measurements
            raise TypeError("the committee's dither is no NoDither")
        return made


class Member:
    """A hospital on the committee.

    Parameters
    ----------
    name : str
        Its name in the roster.
    roster : Roster
        The newest revision of a ``RosterBook`` that was checked.
    sign : callable
        Its identity key's ``Ed25519PrivateKey.sign``.
    stretches : sequence of Stretch
        Those of its stretches that are not closed.
    secret : bytes
        The consortium's (``crossward.encryption.secret.Secret.committee_key``).
    rules : Rules
        What it demands of every version.
    """

    def __init__(
        self, name: str, roster: Roster, sign: Sign, stretches: Sequence[Stretch], secret: bytes, rules: Rules
    ) -> None:
        if name not in roster.committee:
            raise ListError(f"{name} is not on the committee of roster {roster.fingerprint[:16]}")
        self.name, self.roster, self.rules = name, roster, rules
        self._sign, self._secret = sign, secret
        self._stretches = {(stretch.lineage, stretch.number): stretch for stretch in stretches}

    def check(self, version: VersionList, boxes: Mapping[str, bytes]) -> tuple[Seeds, ...]:
        """The seeds of every contribution, when all is as it must be; nothing is opened or written yet.

        ``boxes`` has this member's box of each signer. An aggregator asks every member for this before it asks for
        consents and answers, since an update that cannot be opened everywhere is lost once a member has claimed it.

        Raises
        ------
        ListError
            the list is not to be opened, or the seeds of a signer, who is named, are not as signed.
        """
        version.check(self.roster, self.rules)
        out = []
        for statement, _ in version.contributions:
            where = f"the seeds of {statement.signer} for {self.name}"
            stretch = self._stretches.get((statement.lineage, statement.stretch))
            if stretch is None:
                raise ListError(f"{where} are of stretch {statement.stretch}, which is closed or not begun here")
            if statement.signer not in boxes:
                raise ListError(f"{where} are missing")
            try:
                out.append(open_seeds(stretch.key, self.roster, self.name, statement, boxes[statement.signer]))
            except BoxError as error:
                raise ListError(str(error)) from None
        return tuple(out)

    def consent(self, version: VersionList, boxes: Mapping[str, bytes]) -> Consent:
        """The member's word, on its disk already, that it opens these updates in this list and in no other.

        Raises
        ------
        ListError, StretchError
            as :meth:`open`.
        """
        self.check(version, boxes)
        self._claim(version)
        consent = Consent(self.name, version.digest)
        return replace(consent, signature=self._sign(consent.canonical))

    def open(self, version: VersionList, boxes: Mapping[str, bytes], consents: Sequence[Consent]) -> Opened:
        """The list as one that is opened, here on the disk already, and its updates in no other list ever after.

        ``consents`` are those of a quorum of members, for which this one counts.

        Raises
        ------
        ListError
            as :meth:`check`; too few consented.
        StretchError
            an update was opened in another list, or the record cannot be written.
        """
        seeds = self.check(version, boxes)
        version.check_consents(self.roster, consents, self.name)
        self._claim(version)
        return Opened(self.name, self.roster, version, self._secret, seeds, self._sign)

    def _claim(self, version: VersionList) -> None:
        """Write down that the list is opened, in the stretches of its updates."""
        claimed: dict[int, list[str]] = {}
        for statement, _ in version.contributions:
            claimed.setdefault(statement.stretch, []).append(f"{statement.signer}/{statement.update}")
        for number, updates in sorted(claimed.items()):
            self._stretches[version.lineage, number].claim(version.digest, updates)
