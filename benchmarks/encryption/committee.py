"""The committee scheme as a whole consortium in one process: whoever seals, adds, answers and opens, and its row.

Whole operations: sealing includes tag, digest, signature and the seeds' boxes; a share opens the seeds of all updates
and includes the record of what was opened and the dither; combining checks the answers and subtracts them; opening
takes off the pad and checks the tag. What opens must be the clear weighted sum and the dither that the answering
members added, which this process can compute, as it has every member's key. On one core the figures are CPU time, so
that neither a busy machine nor its disk is in them.

Not for: memory (``benchmarks.encryption.llama_committee``) or how many bytes a version moves
(``benchmarks.encryption.traffic``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.encryption.contest import AnyContest
from benchmarks.encryption.ways import Vector
from benchmarks.harness.figures import Row
from crossward.encryption.aggregator.committee import CommitteeArithmetic
from crossward.encryption.committee.hospital import SealedUpdate, seal_update
from crossward.encryption.committee.masks import joint_key, open_seeds
from crossward.encryption.committee.member import Member
from crossward.encryption.committee.opening import Answer
from crossward.encryption.committee.records import Claim, RecordOpener
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.committee.spelling import Proof
from crossward.encryption.committee.statements import TAG_PRIME, Consent, Rules, VersionList, weight_limit
from crossward.encryption.committee.stretch import Stretch
from crossward.encryption.dither import Dither, VersionDither
from crossward.encryption.packing import Buffer
from crossward.encryption.plan import FieldPlan
from crossward.encryption.policy import Piece, pieces
from crossward.machine.cores import cores
from strategies.opening.round import share_out

SHAPES = {"committee": (4, 1), "committee-j3": (3, 1), "committee-t2": (4, 2)}  # J and t; the first is the default
BLOCK = 1 << 20  # values of a block, as ``client_app.committee.payloads`` cuts them
LINEAGE, SECRET = "benchmark", bytes(range(32))
Boxes = dict[str, dict[str, bytes]]
"""Signer -> member -> box."""


class Committee:
    """``hospitals`` hospitals, as many of them on the committee as the shape ``name`` says.

    Its keys follow from names and its members' files are in ``folder``, so that another process finds it again.
    """

    unit: float

    def __init__(self, name: str, folder: Path, plan: FieldPlan, hospitals: int, value_range: float = 1.0) -> None:
        size, threshold = SHAPES[name]
        names = [f"hospital-{number:03}" for number in range(max(hospitals, size))]
        self.keys = {who: Ed25519PrivateKey.from_private_bytes(sha256(who.encode()).digest()) for who in names}
        public = {who: key.public_key().public_bytes_raw().hex() for who, key in self.keys.items()}
        self.roster = Roster(public, tuple(names[:size]), threshold)
        self.name, self.plan, self.rules = name, plan, Rules(max_share=1.0)
        self.unit, self.total_weight = value_range / plan.q_max, weight_limit(plan, self.roster)
        self.stretches = {who: _stretch(folder / who) for who in self.roster.committee}
        self.arithmetic = CommitteeArithmetic(plan)
        self.certificates = {who: s.certificate(who, self.keys[who].sign) for who, s in self.stretches.items()}
        self.members = {
            who: Member(who, self.roster, self.keys[who].sign, [stretch], SECRET, self.rules)
            for who, stretch in self.stretches.items()
        }

    def put_in(self, delta: Vector) -> Vector:
        """Steps of ``unit``, int64 [n], clipped to [-q_max, q_max]."""
        return np.rint(np.clip(delta / self.unit, -self.plan.q_max, self.plan.q_max)).astype(np.int64)

    def cut(self, values: Vector) -> list[Vector]:
        """Blocks."""
        return [piece.gather(values) for piece in blocks([values.size])]

    def seal(self, hospital: str, values: Iterable[Vector]) -> SealedUpdate:
        """A hospital's update."""
        sign = self.keys[hospital].sign
        return seal_update(self.roster, LINEAGE, 1, hospital, sign, self.certificates, self.plan, SECRET, values)

    def consents(self, version: VersionList, boxes: Boxes) -> list[Consent]:
        """Those of a quorum."""
        return [self.consent(who, version, boxes) for who in self.roster.committee[: self.roster.quorum]]

    def consent(self, member: str, version: VersionList, boxes: Boxes) -> Consent:
        """A member's."""
        return self.members[member].consent(version, _of(boxes, member))

    def answer(
        self, member: str, version: VersionList, boxes: Boxes, consents: Sequence[Consent], counts: Sequence[int]
    ) -> Answer:
        """The share that a member is asked for, of blocks of ``counts`` fields."""
        opened = self.members[member].open(version, _of(boxes, member), consents)
        return opened.answer(self.asked()[member], counts)

    def asked(self) -> dict[str, tuple[int, ...]]:
        """Which subsets each of the fewest members that open a version answers."""
        return share_out(self.roster, range(len(self.roster.subsets)), self.roster.committee)

    def book(self) -> RosterBook:
        """The roster, signed by all."""
        book = RosterBook(self.roster)
        for who, key in self.keys.items():
            book = book.signed(who, key.sign)
        return book

    def add(self, parts: Sequence[Buffer], weights: Sequence[int], count: int) -> bytes:
        """The weighted sum of the same block of several hospitals."""
        bits = self.plan.sum_bits(1)
        return self.arithmetic.combine(parts, weights, [bits] * len(parts), bits, count)

    def combine(
        self,
        version: VersionList,
        counts: Sequence[int],
        columns: Iterable[Sequence[Buffer]],
        answers: Sequence[Answer],
    ) -> Iterator[bytes]:
        """The version's blocks: ``columns`` have a block of each update, ``answers`` are checked and taken off."""
        for answer in answers:
            answer.check(self.roster, version, self.asked()[answer.member], counts)
        weights = [*version.weights, *(-1 for _ in answers)]
        for number, (column, count) in enumerate(zip(columns, counts, strict=True)):
            yield self.add([*column, *(answer.blocks[number] for answer in answers)], weights, count)

    def open(self, version: VersionList, tag: int, blocks: Iterable[Buffer], counts: Sequence[int]) -> Iterator[Vector]:
        """A version's opened blocks, int64, of ``blocks`` that :meth:`combine` made; ``tag`` is the answers' sum."""
        opener = RecordOpener(RosterBook(self.roster), self.rules, SECRET, LINEAGE, self.plan)
        claim = Claim(version.version, version.version, sum(version.weights), 1, 1)
        return opener.open(claim, Proof((version,), tag), zip(blocks, counts, strict=True), version.count)

    def dithers(self, version: VersionList, boxes: Boxes) -> list[VersionDither]:
        """What each carrier adds, as who has every member's key computes it."""
        out = []
        for subset in self.roster.carriers:
            member = self.roster.subsets[subset][0]
            key = self.stretches[member].key
            seeds = [
                open_seeds(key, self.roster, member, statement, boxes[statement.signer][member])
                for statement, _ in version.contributions
            ]
            dither = Dither(joint_key(seeds, subset, version.digest))
            made = dither.version(self.plan.total_weight, version.version, version.signers, version.weights)
            assert made is not None
            out.append(made)
        return out

    def beyond_mean(self, dithers: Sequence[VersionDither], first: int, count: int) -> Vector:
        """What ``dithers`` leave in opened fields ``first`` on: int64 [count]."""
        out = np.full(count, -len(dithers) * self.plan.dither_mean, dtype=np.int64)
        for dither in dithers:
            out += dither(first, count)
        return out


def blocks(sizes: Sequence[int]) -> tuple[Piece, ...]:
    """The blocks of an adapter with tensors of ``sizes`` values, all of it sealed."""
    return pieces(sizes, [True] * len(sizes), BLOCK)


def _stretch(folder: Path) -> Stretch:
    return (Stretch.load if folder.exists() else Stretch.create)(folder, LINEAGE, 1)


def _of(boxes: Boxes, member: str) -> dict[str, bytes]:
    return {signer: found[member] for signer, found in boxes.items()}


class CommitteeContest(AnyContest[Committee]):
    """The committee's. Adding is of updates alone, as other ways do it; combining is of updates and answers."""

    def __init__(
        self, way: Committee, deltas: Sequence[Vector], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        super().__init__(way, deltas, clock)
        self.updates: list[SealedUpdate] = []
        self.answers: list[Answer] = []
        self.version: VersionList | None = None

    def seal(self, client: int) -> None:
        """One hospital's update, on one core."""
        hospital = list(self.way.keys)[client]
        update = self.time("seal", partial(self.way.seal, hospital, self.pieces[client]))
        self.updates.append(update)
        self.messages.append(list(update.blocks))

    def add(self) -> None:
        """The sum, on one core; then the list's consents and answers, and the version that they make of it."""
        way, names = self.way, list(self.way.keys)
        jobs = [(column, self.weights, n) for column, n in zip(self.columns(), self.counts, strict=True)]
        self.time("add", lambda: [way.add(*job) for job in jobs])
        self.version = version = VersionList.of(
            way.roster, 1, [update.statement for update in self.updates], self.weights
        )
        boxes: Boxes = {name: dict(u.boxes) for name, u in zip(names, self.updates, strict=False)}
        consents = [
            self.time("consent", partial(way.consent, who, version, boxes))
            for who in way.roster.committee[: way.roster.quorum]
        ]
        self.answers = [
            self.time("share", partial(way.answer, who, version, boxes, consents, self.counts)) for who in way.asked()
        ]
        self.sums = self.time("combine", lambda: [*way.combine(version, self.counts, self.columns(), self.answers)])
        self.dither = way.beyond_mean(way.dithers(version, boxes), 0, version.count)

    def _open(self) -> list[Vector]:
        assert self.version is not None
        tag = sum(answer.tag for answer in self.answers) % TAG_PRIME
        return [*self.way.open(self.version, tag, self.sums, self.counts)]

    def open(self) -> None:
        """The version's numbers, on one core, and how far they are from the clear sum and the dither."""
        opened = np.concatenate(self.time("open", self._open))
        steps = int(np.abs(opened - self.dither - sum(w * x for w, x in self.terms())).max())
        self.figures["max_error_steps"] = steps
        self.figures["max_error"] = steps * self.way.unit / sum(self.weights)
        self.figures["dither_steps"] = float(self.dither.std()) / sum(self.weights)

    def all_cores(self, pool: Executor) -> None:
        """The same in threads: AES and numpy release the interpreter's lock. Sealed and opened a vector a thread."""
        way, names = self.way, list(self.way.keys)
        jobs = [(column, self.weights, n) for column, n in zip(self.columns(), self.counts, strict=True)]
        with ThreadPoolExecutor(cores()) as threads:
            self.time("seal_all", lambda: [*threads.map(way.seal, names, self.pieces)])
            self.time("open_all", lambda: [*threads.map(lambda _: self._open(), self.put)])
            self.time("add_all", lambda: [*threads.map(lambda job: way.add(*job), jobs)])

    def row(self) -> Row:
        """The figures, the committee's own as well: seconds of a consent, a share and combining, bytes of a share."""
        middle, values = self.medians(), self.put[0].size
        shares = [sum(map(len, answer.blocks)) for answer in self.answers]
        own = {f"{name}_s": middle[name] for name in ("consent", "share", "combine")}
        return super().row() | own | {"share_bytes_per_value": max(shares) / values}


def in_turns(contests: Sequence[AnyContest[Any]]) -> dict[str, dict[str, float]]:
    """How many times better than BFV ``compact`` each committee is: medians of quotients of samples taken in turns."""
    base = next(contest for contest in contests if contest.way.name == "compact")
    found = [contest for contest in contests if isinstance(contest, CommitteeContest)]
    return {
        contest.way.name: {
            name: float(np.median(np.divide(base.samples[name], contest.samples[name])))
            for name in ("seal", "add", "open")
        }
        | {"add_and_combine": float(np.median(np.divide(base.samples["add"], contest.samples["combine"])))}
        for contest in found
    }
