"""``crossward settings``: every key of the run config and the node config, from the classes that read them.

Not for: the rows and pyproject.toml's defaults (``crossward.launcher.settings_table``).
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any

import typer

from crossward.cli.common import USAGE, CommandError, example

Row = tuple[str, Any, str, str]
RUN, NODE = "run config", "node config"


def settings(
    key: Annotated[
        str | None,
        typer.Argument(metavar="[KEY]", help="One key, or the beginning of some: train.", show_default=False),
    ] = None,
    node: Annotated[bool, typer.Option("--node", help="Only what a hospital may set in its node config.")] = False,
) -> int:
    """Show settings with default, allowed values and meaning: all of them, a group, or one key."""
    from crossward.config.old_keys import OLD_RUN_KEYS
    from crossward.config.run_config import HOSPITAL_KEYS
    from crossward.launcher.settings_table import node_config_rows, run_config_rows

    runs, nodes = run_config_rows(), node_config_rows()
    own = [row for row in runs if row[0] in HOSPITAL_KEYS]  # run keys that a hospital may set for its own machine
    tables = {NODE: nodes + own} if node else {RUN: runs, NODE: nodes}
    known = [row[0] for rows in tables.values() for row in rows]
    if key is not None and key not in known:
        start = key.rstrip(".") + "."
        found = {where: [row for row in rows if row[0].startswith(start)] for where, rows in tables.items()}
        if not any(found.values()):
            if (old := OLD_RUN_KEYS.get(key)) is not None:
                raise CommandError(f"{key} {old.now}", USAGE)
            near = difflib.get_close_matches(key, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "`crossward settings` lists all keys"
            raise CommandError(f"there is no key {key!r}; {hint}", USAGE)
        tables = found
    for where, rows in tables.items():
        for row in rows:
            if row[0] == key:
                _one(where, row, row in own)
        if rows and key not in known:
            _table(where, rows)
    return 0


def _one(where: str, row: Row, own: bool) -> None:
    key, default, allowed, meaning = row
    text = f'"{default}"' if isinstance(default, str) else str(default).lower()
    how = f'--run-config "{key}=..."' if where == RUN else "[node-config] of hospital.toml, or --node-config"
    if own and where == RUN:
        how += "; a hospital may set its own in [node-config] of hospital.toml"
    typer.echo(f"{key} ({where})\n  {meaning}\n  default: {text}\n  allowed: {allowed}\n  set it with: {how}")


def _table(where: str, rows: list[Row]) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 160, highlight=False)
    table = Table(title=where.capitalize(), box=box.SIMPLE_HEAD, title_justify="left", show_edge=False)
    table.add_column("key", no_wrap=True)
    for name in ("default", "allowed", "meaning"):
        table.add_column(name, overflow="fold")
    for key, default, allowed, meaning in rows:
        text = f'"{default}"' if isinstance(default, str) else str(default).lower()
        table.add_row(*(escape(cell) for cell in (key, text, allowed, meaning)))
    console.print(table)


def add_to(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog=example("crossward settings strategy.buffer-size"))(settings)
