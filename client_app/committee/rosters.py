"""Where a node's roster comes from.

A real hospital names the file in its node config, and its state folder has the last roster that it accepted: a file
that does not follow that one is refused. A simulation's hospitals are all on one machine, which has everybody's keys
and signs for everybody: the code is the real one, the protection is not.

Not for: what a roster says (``crossward.encryption.committee.roster``).
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client_app.committee.keys import CommitteeKeys
from client_app.state.locks import exclusive
from crossward.config.node_config import NodeConfig
from crossward.config.settings import SettingsError
from crossward.encryption.committee.roster import FEWEST, RosterError
from crossward.encryption.committee.roster_file import RosterBook, make_book
from crossward.encryption.committee.statements import Rules
from crossward.encryption.identity import load_identity, public_of
from crossward.machine.files import write_atomic

ACCEPTED = "identity.roster"  # in a hospital's state-dir, beside its identity: the last roster that it accepted
logger = logging.getLogger("crossward.node")


@functools.lru_cache(maxsize=4)
def _load(path: Path, changed: int) -> RosterBook:
    return RosterBook.load(path)


def _cached(path: Path) -> RosterBook:
    return _load(path, path.stat().st_mtime_ns if path.exists() else 0)


def hospital_roster(node: NodeConfig) -> RosterBook:
    """The roster that a real hospital follows, from now on the last one it accepted.

    Raises
    ------
    SettingsError
        its node config names none.
    RosterError
        the file cannot be used, or a hospital in it has not signed it; or as :func:`accept`.
    """
    if not node.roster_path:
        raise SettingsError(
            "node config: roster-path is missing, and the run has encryption.scheme = 'committee'. Make the hospitals' "
            "roster with `crossward members` and start the SuperNode with --node-config 'roster-path=\"PATH\"', or run "
            "with encryption.scheme = 'bfv'"
        )
    return accept(Path(node.roster_path), Path(node.state_dir))


def accept(path: Path, state: Path, keep: bool = True) -> RosterBook:
    """The roster in the file ``path``, if it follows the last one accepted in the folder ``state``.

    With ``keep`` it is the last one accepted from now on.

    Raises
    ------
    RosterError
        as ``RosterBook.load``; it does not follow that one, or that cannot be read or written.
    """
    book, last = _cached(path), state / ACCEPTED
    anew = f"or, if all hospitals have agreed to start anew, delete {last} (`crossward deploy roster --new` does)"
    try:
        before = RosterBook.load(last, complete=False) if last.exists() else None
    except RosterError as error:
        raise RosterError(f"the last roster accepted here cannot be used: {error}. Restore it, {anew}") from error
    try:
        book.follows(before)
    except RosterError as error:
        raise RosterError(f"{path}: {error}. Get a file that does from another hospital, {anew}") from error
    if keep and (before is None or before.roster != book.roster):
        try:
            write_atomic(last, book.to_bytes())
        except OSError as error:
            raise RosterError(f"{last} cannot be written ({error.strerror or error})") from error
        logger.info("accepted roster %s, revision %d", book.roster.fingerprint[:16], book.roster.revision)
    return book


def simulated_roster(state: Path, partitions: int, own: Ed25519PrivateKey) -> RosterBook:
    """The roster of a simulation of ``partitions`` hospitals, made once in the folder ``state`` and signed for all.

    ``own`` is the identity of one of them.

    Raises
    ------
    SettingsError
        they are fewer than three.
    RosterError
        the file cannot be written.
    """
    if partitions < FEWEST:
        raise SettingsError(
            f"encryption.scheme = 'committee' takes {FEWEST} hospitals or more, the simulation has {partitions}: "
            "simulate more, or use encryption.scheme = 'bfv'"
        )
    path, public = state / "rosters" / f"{partitions}.json", public_of(own)
    if (found := _readable(path)) is not None and public in found.roster.hospitals.values():
        return found
    busy = RosterError(f"another hospital of this simulation has held {path}.lock for a minute: start the run anew")
    with exclusive(path.with_suffix(".lock"), busy, lambda error: _unwritten(path, error)):
        folder = state / "identities"
        keys = {f"site-{i}": load_identity(folder / f"site-{i}.pem") for i in range(partitions)}
        book = make_book(keys)
        if (found := _readable(path)) is not None and found.roster == book.roster:
            return found
        try:
            write_atomic(path, book.to_bytes())
        except OSError as error:
            raise _unwritten(path, error) from error
        logger.warning(
            "made the roster %s of %d simulated hospitals: this machine holds all their keys, so the committee "
            "does not protect them from it",
            book.roster.fingerprint[:16],
            partitions,
        )
    return book


def roster_of_simulation(state: Path, fingerprint: str) -> RosterBook | None:
    """Of the rosters that simulations made in the folder ``state``, the one with the revision ``fingerprint``."""
    found = (_readable(path) for path in sorted((state / "rosters").glob("*.json")))
    return next((book for book in found if book is not None and book.has(fingerprint)), None)


def _readable(path: Path) -> RosterBook | None:
    """The simulation's roster, if there is one: it can be made again."""
    try:
        return _cached(path)
    except RosterError:
        return None


def _unwritten(path: Path, error: OSError) -> RosterError:
    return RosterError(f"the simulation's roster {path} cannot be written ({error.strerror or error})")


def keys_of_all(
    folder: Path,
    identities: Mapping[str, Ed25519PrivateKey],
    rules: Rules,
    length: int,
    book: RosterBook | None = None,
) -> dict[str, CommitteeKeys]:
    """What each of ``identities`` (by name) holds, for hospitals that live in one process; ``book`` is made for them.

    Members' sealing keys are in ``folder``, in a folder for each.
    """
    book = make_book(identities) if book is None else book
    return {name: CommitteeKeys.of(book, rules, key, folder / name, length) for name, key in identities.items()}
