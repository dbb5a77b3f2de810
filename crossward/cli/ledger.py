"""``crossward ledger``: whether a run's audit trail holds, and what it says.

Not for: the format of its lines (``crossward.ledger.chain``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossward.cli.common import FAILED, PATH, CommandError, example, failing, say

Trail = Annotated[Path, typer.Argument(click_type=PATH, metavar="RUN_FOLDER", help="A run's folder, or a ledger file.")]
MOST = 20  # problems that are printed

ledger = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


def _file(path: Path) -> Path:
    from crossward.ledger.file import FILE_NAME

    file = path / FILE_NAME if path.is_dir() else path
    if not file.exists():
        raise CommandError(f"{file} does not exist: name a run's folder, or its {FILE_NAME}")
    return file


@ledger.command(epilog=example("crossward ledger verify runs/20261130T082138Z-91350b --heads state/heads.jsonl"))
def verify(
    path: Trail,
    heads: Annotated[
        list[Path] | None,
        typer.Option(click_type=PATH, metavar="FILE", help="Heads that a node kept; may be given more than once."),
    ] = None,
) -> int:
    """Check that no line was changed, and that every head that nodes kept is in the chain."""
    from crossward.ledger.file import LedgerError, read_heads
    from crossward.ledger.file import verify as check

    with failing(OSError, LedgerError):
        found = check(_file(path), (head for file in heads or () for head in read_heads(file)))
    for problem in found.problems[:MOST]:
        say(problem)
    state = "OK" if found.ok else f"BROKEN, {len(found.problems)} problem(s)"
    say(f"{state}: {found.entries} entries, {found.heads} kept heads, head {found.head.seq} {found.head.hash}")
    return 0 if found.ok else FAILED


@ledger.command(epilog=example("crossward ledger show runs/20261130T082138Z-91350b --task 12"))
def show(
    path: Trail,
    task: Annotated[int | None, typer.Option(metavar="N", help="Only what happened to this task.")] = None,
    version: Annotated[int | None, typer.Option(metavar="V", help="Only what concerns this version.")] = None,
    node: Annotated[
        str | None, typer.Option(metavar="X", help="Only this node or hospital: its id or its site's name.")
    ] = None,
) -> int:
    """Show what happened to a task, why, and what to do about it; or the lines of a version, a node, the whole run."""
    from crossward.cli.ledger_lines import Chosen, described, wanted
    from crossward.ledger.explain import explain
    from crossward.ledger.file import LedgerError, read_entries

    if task is not None and version is None and node is None:
        with failing(OSError, LedgerError):
            for line in explain(_file(path), task):
                say(line)
        return 0
    chosen, shown = Chosen(task, version, node), 0
    with failing(OSError, LedgerError):
        for entry, name in wanted(read_entries(_file(path)), chosen):
            say(described(entry, name))
            shown += 1
    if not shown:
        say(f"the ledger has no line of {chosen}" if (task, version, node) != (None,) * 3 else "the ledger is empty")
    return 0 if shown else FAILED


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(ledger, name="ledger", help="Verify a run's audit trail, or show what happened to a task.")
