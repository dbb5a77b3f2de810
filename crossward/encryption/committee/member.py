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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from crossward.encryption.committee.boxes import BoxError
from crossward.encryption.committee.fields import Words, pack, word
from crossward.encryption.committee.masks import Seeds, joint_key, open_seeds, pad, tag_pad
from crossward.encryption.committee.opening import Answer
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.signatures import Sign
from crossward.encryption.committee.statements import TAG_PRIME, Consent, ListError, Rules, VersionList
from crossward.encryption.committee.stretch import Stretch
from crossward.encryption.committee.tags import tag, tag_key
from crossward.encryption.dither import Dither, VersionDither
from crossward.encryption.keystream import PIECE, add_keystream


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
            as :meth:`shares`.
        """
        blocks, tags = zip(*self.shares(subsets, counts), strict=True)
        return Answer(self.member, self.version.digest, tuple(subsets), blocks, sum(tags) % TAG_PRIME).signed(self.sign)

    def shares(self, subsets: Sequence[int], counts: Sequence[int]) -> Iterator[tuple[bytes, int]]:
        """Block by block, the packed shares of ``subsets`` added up, and what adds up to their share of the tag.

        Raises
        ------
        ListError
            the member does not hold a subset, or the blocks are not the updates' fields.
        """
        if foreign := sorted(set(subsets) - set(self.roster.held(self.member))):
            raise ListError(f"{self.member} does not hold subsets {foreign}")
        if sum(counts) != self.version.count or min(counts, default=0) < 1 or len(set(subsets)) != len(subsets):
            raise ListError(f"asked for {sum(counts)} fields of {self.version.count}, or a subset twice")
        bits, tag_share, first = self.version.plan.field_bits, self._tag_share(subsets), 0
        for count in counts:
            packed = []
            for fields, tag_of_dither in self.share(subsets, first, count):
                packed.append(pack(fields, bits))
                tag_share -= tag_of_dither
            yield b"".join(packed), tag_share % TAG_PRIME
            tag_share, first = 0, first + count

    def share(self, subsets: Sequence[int], first: int, count: int) -> Iterator[tuple[Words, int]]:
        """The shares of ``subsets`` of fields ``first`` on, added up, piece by piece with the tag of its dithers."""
        version, bits = self.version, self.version.plan.field_bits
        kind, key = word(bits), tag_key(self.secret, version.lineage)
        dithers = [self._dither(subset) for subset in subsets if subset in self.roster.carriers]
        keys = [[seeds.mask_key(subset) for subset in subsets] for seeds in self.seeds]
        for at in range(first, first + count, PIECE):
            share = np.zeros(min(PIECE, first + count - at), dtype=kind)
            for of_update, weight in zip(keys, version.weights, strict=True):
                mask = np.zeros(share.size, dtype=kind)
                for mask_key in of_update:
                    add_keystream(mask, mask_key, at)
                mask *= kind.type(weight)
                share += mask
            if 0 in subsets:
                share -= pad(self.secret, version.digest, bits, at, share.size)
            tags = 0
            for dither in dithers:
                drawn = dither(at, share.size).astype(kind)
                share -= drawn
                tags += tag(key, [(at, drawn)])
            yield share, tags

    def _tag_share(self, subsets: Sequence[int]) -> int:
        """The share of the tag that belongs to ``subsets``, but for their dithers."""
        weighted = zip(self.seeds, self.version.weights, strict=True)
        share = sum(weight * seeds.tag_mask(subset) for seeds, weight in weighted for subset in subsets)
        return share - tag_pad(self.secret, self.version.digest) if 0 in subsets else share

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
                raise ListError(f"{where} are missing: it was absent when they were sealed, or they were left out")
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
