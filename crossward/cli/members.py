"""``crossward members``: the hospitals' roster. Make it, change it, sign it, show it.

A change is a new file with the next revision, which takes effect once every hospital in it has signed. Signing adds one
signature to a file under a lock, so that two hospitals may sign one file at once; copies that were signed apart are
joined with ``--with``. The aggregator has no part in this.

Not for: the functions behind it (``crossward.encryption.committee.roster_file``) or its texts
(``crossward.cli.members_lines``).
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossward.cli.common import FAILED, PATH, CommandError, example, failing, say

if TYPE_CHECKING:
    from crossward.encryption.committee.roster_file import RosterBook

HEX = re.compile(r"[0-9a-fA-F]{64}")

RosterFile = Annotated[Path, typer.Argument(click_type=PATH, metavar="ROSTER", help="The roster's file.")]
Hospitals = Annotated[
    list[str],
    typer.Argument(metavar="NAME=PUBLIC...", help="A hospital and its identity.pub, or the 64 hex digits in it."),
]
Out = Annotated[Path, typer.Option(click_type=PATH, metavar="FILE", help="The new file, with the next revision.")]
Committee = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="A member of the committee, repeated for each one.")
]
Threshold = Annotated[int | None, typer.Option(min=1, metavar="T", help="The keys of T members open nothing.")]
Colluders = Annotated[int | None, typer.Option(min=1, metavar="C", help="C members may collude with the aggregator.")]

members = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@members.command(epilog=example("crossward members init roster.json A=a.pub B=b.pub C=c.pub D=d.pub"))
def init(
    roster: RosterFile,
    hospitals: Hospitals,
    committee: Committee = None,
    threshold: Threshold = None,
    colluders: Colluders = None,
) -> int:
    """Make the first revision in a new file. Its committee: the first four, or all of three."""
    with _working():
        from crossward.encryption.committee.roster_file import RosterBook

        _write_new(roster, RosterBook.first(_public(hospitals), committee or None, threshold or 1, colluders or 1))
    return 0


@members.command(epilog=example("crossward members add roster.json E=e.pub --out roster-2.json"))
def add(
    roster: RosterFile,
    hospitals: Hospitals,
    out: Out,
    replace: Annotated[bool, typer.Option("--replace", help="Give hospitals that are in it new keys.")] = False,
    committee: Committee = None,
    threshold: Threshold = None,
    colluders: Colluders = None,
) -> int:
    """Add hospitals, or with --replace give hospitals new keys, in the next revision."""
    with _working():
        from crossward.encryption.committee.roster import RosterError

        book, public = _complete(roster), _public(hospitals)
        known = [name for name in public if name in book.roster.hospitals]
        if known and not replace:
            raise RosterError(f"{', '.join(known)} are in {roster} already: --replace gives them the new keys")
        if replace and (new := [name for name in public if name not in known]):
            raise RosterError(f"{', '.join(new)} are not in {roster}, so there is no key to replace")
        _write_new(out, book.next({**book.roster.hospitals, **public}, committee or None, threshold, colluders))
    return 0


@members.command(epilog=example("crossward members remove roster.json C --out roster-2.json"))
def remove(
    roster: RosterFile,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="The hospitals, who need not sign.")],
    out: Out,
    committee: Committee = None,
    threshold: Threshold = None,
    colluders: Colluders = None,
) -> int:
    """Remove hospitals in the next revision."""
    with _working():
        book = _complete(roster)
        for name in names:
            book.roster.identity(name)  # which refuses a name that is not in it
        left = {name: key for name, key in book.roster.hospitals.items() if name not in names}
        _write_new(out, book.next(left, committee or None, threshold, colluders))
    return 0


@members.command(epilog=example("crossward members change roster.json --threshold 2 --out roster-2.json"))
def change(
    roster: RosterFile,
    out: Out,
    committee: Committee = None,
    threshold: Threshold = None,
    colluders: Colluders = None,
) -> int:
    """Change the committee in the next revision."""
    with _working():
        _write_new(out, _complete(roster).next(None, committee or None, threshold, colluders))
    return 0


@members.command(epilog=example("crossward members sign roster.json --identity state/identity.pem"))
def sign(
    roster: RosterFile,
    identity: Annotated[Path, typer.Option(click_type=PATH, metavar="FILE", help="identity.pem of the state folder.")],
    copies: Annotated[
        list[Path] | None,
        typer.Option("--with", click_type=PATH, metavar="FILE", help="A copy that others signed; repeatable."),
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(click_type=PATH, metavar="FILE", help="The roster in force here, which this one must follow."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: the fingerprint was compared before.")] = False,
) -> int:
    """Show the roster, ask, and add this hospital's signature and those of copies."""
    with _working():
        from crossward.encryption.committee.roster import RosterError
        from crossward.encryption.committee.roster_file import RosterBook
        from crossward.encryption.identity import public_of, read_identity
        from crossward.machine.files import folder_locked, write_atomic

        path = Path(os.path.realpath(roster))  # behind a link, the file is replaced and not the link
        shown, key = RosterBook.load(path, complete=False), read_identity(identity)
        name = shown.roster.name_of(public_of(key))
        for copy in copies or ():
            other = RosterBook.load(copy, complete=False)
            try:
                shown = shown.joined(other)
            except RosterError as error:
                raise RosterError(f"{copy}: {error}") from error
        if after is not None:
            shown.follows(RosterBook.load(after))
        _show(shown)
        if name in shown.missing:
            _ask(name, yes)
        with folder_locked(path.parent):
            book = RosterBook.load(path, complete=False).joined(shown)  # with what others signed meanwhile
            if name in book.missing:
                book = book.signed(name, key.sign)
            write_atomic(path, book.to_bytes())
        say(f"signed by {name}; {_left(book)}")
    return 0


@members.command(epilog=example("crossward members show roster.json"))
def show(roster: RosterFile) -> int:
    """Print the roster, who has signed it, and its revisions; exits with 1 unless all have signed."""
    with _working():
        from crossward.encryption.committee.roster_file import RosterBook

        book = RosterBook.load(roster, complete=False)
        _show(book)
        say(_left(book))
    return FAILED if book.missing else 0


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(members, name="members", help="Make, sign or show the hospitals' roster.")


@contextlib.contextmanager
def _working() -> Iterator[None]:
    from crossward.encryption.committee.roster import RosterError
    from crossward.encryption.identity import IdentityError

    with failing(RosterError, IdentityError):
        try:
            yield
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from error


def _public(hospitals: list[str]) -> dict[str, str]:
    """Name -> key of what the command line lists."""
    from crossward.encryption.committee.roster import RosterError
    from crossward.encryption.identity import read_public

    found: dict[str, str] = {}
    for text in hospitals:
        name, equals, public = text.partition("=")
        if not (name and equals and public):
            raise typer.BadParameter(
                f"{text!r}: expected NAME=PUBLIC, a hospital and its identity.pub or the digits in it"
            )
        if name in found:
            raise RosterError(f"{name} is given twice")
        if HEX.fullmatch(public):
            found[name] = public.lower()
            continue
        path = PATH.convert(public, None, None)
        found[name], says = read_public(path)
        if says != name:
            raise RosterError(
                f"{path} is the identity of {says!r}, not of {name!r}: give it as '{says}={public}', or the hex digits "
                "in it alone"
            )
    return found


def _complete(path: Path) -> RosterBook:
    from crossward.encryption.committee.roster_file import RosterBook

    return RosterBook.load(path)


def _write_new(path: Path, book: RosterBook) -> None:
    from crossward.machine.files import write_new

    if not write_new(path, book.to_bytes()):
        raise CommandError(f"{path} already exists and is left unchanged: name a new file")
    _show(book)
    say(_left(book))


def _show(book: RosterBook) -> None:
    from crossward.cli.members_lines import lines

    for line in lines(book):
        say(line)


def _left(book: RosterBook) -> str:
    if not book.missing:
        return "complete: every hospital in it has signed"
    return f"not complete: to be signed by {', '.join(book.missing)}"


def _ask(name: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("not signed: no terminal to ask at. Compare the fingerprint first, then give --yes")
    if not typer.confirm(f"Do the others see the same fingerprint? Sign for {name}?"):
        raise CommandError("not signed")
