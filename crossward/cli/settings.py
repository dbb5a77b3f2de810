"""``crossward settings``: every key of the run config and the node config, from the classes that read them.

Not for: writing the README's table (``crossward.launcher.settings_table``).
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
    node: Annotated[bool, typer.Option("--node", help="Only keys of a hospital's node config.")] = False,
) -> int:
    """Show settings with default, allowed values and meaning: all of them, a group, or one key."""
    from client_app.settings import NodeSettings
    from crossward.config.settings import settings_rows
    from crossward.launcher.settings_table import run_config_rows

    tables = {} if node else {RUN: run_config_rows()}
    tables[NODE] = settings_rows(NodeSettings)
    known = [row[0] for rows in tables.values() for row in rows]
    if key is not None and key not in known:
        start = key.rstrip(".") + "."
        found = {where: [row for row in rows if row[0].startswith(start)] for where, rows in tables.items()}
        if not any(found.values()):
            near = difflib.get_close_matches(key, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "`crossward settings` lists all keys"
            raise CommandError(f"there is no key {key!r}; {hint}", USAGE)
        tables = found
    for where, rows in tables.items():
        for row in rows:
            if row[0] == key:
                _one(where, row)
        if rows and key not in known:
            _table(where, rows)
    return 0


def _one(where: str, row: Row) -> None:
    key, default, allowed, meaning = row
    text = f'"{default}"' if isinstance(default, str) else str(default).lower()
    how = f'--run-config "{key}=..."' if where == RUN else "[node-config] of hospital.toml, or --node-config"
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
