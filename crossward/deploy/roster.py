"""A hospital's part in the roster: its identity, and which roster is in force here.

Not for: making, changing and signing a roster (``crossward.cli.members``).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossward.deploy.errors import DeployError
from crossward.deploy.files import in_use, replace
from crossward.deploy.hospital import IDENTITY_PUBLIC, read_hospital
from crossward.encryption.committee.roster import RosterError
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.identity import PRIVATE, IdentityError, load_identity, public_line, public_of, read_identity
from crossward.machine.files import write_atomic


def make_identity(state: Path, site: str, new: bool = False) -> str:
    """The public line of the identity in the folder ``state``, made on first use; with ``new`` another one.

    The old one stays beside a new one, with the time in its name.

    Raises
    ------
    DeployError
        the folder cannot be written, or holds an identity that cannot be used.
    """
    path = state / PRIVATE
    try:
        if new:
            state.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-identity-", dir=state) as made:
                load_identity(Path(made) / PRIVATE)
                replace(path, Path(made) / PRIVATE)
        return public_line(load_identity(path), site)
    except IdentityError as error:
        raise DeployError(str(error)) from error
    except OSError as error:
        raise DeployError(
            f"{path} could not be written ({error.strerror}). If the state folder is a container's or another "
            "machine's: init-hospital --no-identity here, and `crossward deploy identity` there"
        ) from error


def public_identity(config: Path, new: bool = False) -> str:
    """The public line of the identity of the hospital in ``config``, also put beside it; as :func:`make_identity`.

    Raises
    ------
    DeployError
        as :func:`make_identity`; or ``new`` while the SuperNode runs.
    """
    _, node = read_hospital(config)
    state = Path(node["state-dir"])
    if new and in_use(state):
        raise DeployError(f"{state} is in use: stop this hospital before it gets a new identity")
    line = make_identity(state, str(node.get("site") or config.parent.name), new)
    with contextlib.suppress(OSError):  # in a container, the folder is read-only
        write_atomic(config.with_name(IDENTITY_PUBLIC), line)
    return line


def roster_of(path: Path, node: Mapping[str, Any], anew: bool = False) -> tuple[RosterBook, str]:
    """The complete roster in the file ``path``, and the name in it of the hospital with this node config.

    Raises
    ------
    DeployError
        the roster or the identity cannot be used, or the roster lacks it; or, unless it begins ``anew``, it does not
        follow the last one accepted.
    """
    from client_app.committee.rosters import accept

    state = Path(node["state-dir"])
    try:
        book = RosterBook.load(path) if anew else accept(path, state, keep=False)
        return book, book.roster.name_of(public_of(read_identity(state / PRIVATE)))
    except (RosterError, IdentityError) as error:
        raise DeployError(str(error)) from error


def put_in_force(config: Path, new: Path, anew: bool = False) -> tuple[RosterBook, str]:
    """Make the roster in the file ``new`` the one of the hospital in ``config``; as :func:`roster_of`.

    Raises
    ------
    DeployError
        as :func:`roster_of`; there is no ``roster-path``, or, unless it begins ``anew``, ``new`` does not follow the
        roster that is there.
    """
    from client_app.committee.rosters import ACCEPTED

    _, node = read_hospital(config)
    if not node.get("roster-path"):
        raise DeployError(f"{config}: [node-config] has no roster-path: name the file for the roster there")
    path = Path(node["roster-path"])
    book, name = roster_of(new, node, anew)
    try:
        if path.exists() and not anew:
            book.follows(RosterBook.load(path))
        write_atomic(path, book.to_bytes())
    except RosterError as error:
        raise DeployError(f"{new}: {error}") from error
    except OSError as error:
        raise DeployError(f"{path} could not be written: {error.strerror}") from error
    if anew:
        last = Path(node["state-dir"]) / ACCEPTED
        try:
            last.unlink(missing_ok=True)
        except OSError as error:
            raise DeployError(f"{last} could not be deleted: {error.strerror}") from error
    return book, name
