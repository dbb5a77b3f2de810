"""What the committee's records on disk must say after a soak, and the ledger of members that lied.

Not for: what holds under every scheme (``benchmarks.soak.checks``).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.soak.consortium import UNTRUE, Shared, name_of
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.spelling import Proof
from crossward.evaluation.replay import Run
from crossward.ledger.events import Accepted, Corrected, Dispatched, Event, Liar, Measured, Resumed, Version

Records = Mapping[str, Mapping[str, frozenset[str]]]  # member -> list -> its updates


def records(folder: Path) -> Records:
    """What members wrote down, in all that their disks ever held."""
    out: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
    for path in sorted(folder.glob("*/*.opened")):
        for line in path.read_bytes().splitlines()[1:]:
            try:
                said = json.loads(line)
            except ValueError:
                continue  # damaged on purpose: what it held is in the folder put away before
            member = name_of(int(path.parent.name.partition(".")[0]))
            held = out[member].get(said["list"], frozenset())
            out[member][said["list"]] = held | frozenset(said["updates"])
    return out


def opened_twice(found: Records, rosters: Iterable[Roster]) -> list[str]:
    """Updates that an honest member, or a quorum of members, has in two lists."""
    wrong = []
    for member, lists in found.items():
        if member != UNTRUE:
            wrong += [f"{member} has {update} in {n} lists" for update, n in _counted(lists).items() if n > 1]
    quorums: dict[str, frozenset[str]] = {}
    for roster in rosters:
        consents: dict[str, list[frozenset[str]]] = defaultdict(list)
        for member in roster.committee:
            for digest, updates in found.get(member, {}).items():
                consents[digest].append(updates)
        quorums |= {d: frozenset().union(*u) for d, u in consents.items() if len(u) >= roster.quorum}
    return wrong + [f"{update} has {n} lists with a quorum" for update, n in _counted(quorums).items() if n > 1]


def _counted(lists: Mapping[str, frozenset[str]]) -> dict[str, int]:
    out: dict[str, int] = defaultdict(int)
    for updates in lists.values():
        for update in updates:
            out[update] += 1
    return out


def unrecorded(versions: Mapping[int, Proof], found: Records, shared: Shared) -> list[str]:
    """Versions whose list a quorum of its roster's members does not have on disk."""
    wrong = []
    for number, proof in versions.items():
        (listed,) = proof.lists
        roster = shared.books[-1].of(listed.roster)
        having = [member for member in roster.committee if listed.digest in found.get(member, {})]
        if len(having) < roster.quorum:
            wrong.append(f"version {number} was opened, and {len(having)} members have its list on disk")
    return wrong


def liars(run: Run, versions: Mapping[int, Proof], lies: Iterable[tuple[str, tuple[int, ...]]]) -> list[str]:
    """Honest members that are called liars; lies in a record that nobody is named for.

    Nobody is where the server died before two hospitals had verified the record made anew: the answers went with it.
    """
    named = [event for event in run.events if isinstance(event, Liar)]
    wrong = [f"{event.member} is called a liar at version {event.version}" for event in named if event.member != UNTRUE]
    lied = {digest for digest, _ in lies}
    settled = {event.version for event in named}
    made = {event.version: event for event in run.events if isinstance(event, Version)}
    corrected = {event.version for event in run.events if isinstance(event, Corrected)}
    for number, proof in versions.items():
        used = UNTRUE in made[number].openers and proof.lists[0].digest in lied
        if not used or number not in corrected or run.state.versions[number].discarded or number in settled:
            continue
        if not _forgotten(run.events, number):
            wrong.append(f"{UNTRUE} lied about version {number} and is not named")
    return wrong


def _forgotten(events: Iterable[Event], number: int) -> bool:
    """Whether the server died before two hospitals had verified what version ``number`` was last made anew of."""
    anew, over, sent, verified = False, False, set[int](), set[str]()
    for event in events:
        if isinstance(event, Corrected) and event.version == number:
            anew, over, sent, verified = True, False, set(), set()
        elif isinstance(event, Resumed) and anew and not over:
            return True
        elif isinstance(event, Dispatched):
            sent.add(event.task)
            over = len(verified) >= 2  # it went on after their replies
        elif isinstance(event, (Accepted, Measured)) and event.version >= number and event.task in sent:
            verified.add(event.hospital)
    return False
