"""Every run-config key in one place: rows for the reference, and pyproject.toml's defaults.

``python -m crossward.launcher.settings_table`` rewrites the defaults between their markers; a test fails when
they are out of date. ``scripts/docs_reference.py`` makes the reference's tables from the rows.

Not for: reading settings (``crossward.config.run_config``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from crossward.config.node_config import NodeConfig
from crossward.config.run_config import SECTIONS
from crossward.config.settings import settings_rows

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
BEGIN, END = "settings: begin", "settings: end"


def run_config_rows() -> list[tuple[str, Any, str, str]]:
    """(key, default, allowed values, help) of every run-config key, grouped by prefix."""
    rows = [row for cls in SECTIONS.values() for row in settings_rows(cls)]
    order = list(dict.fromkeys(row[0].split(".")[0] for row in rows))
    return sorted(rows, key=lambda row: order.index(row[0].split(".")[0]))


def node_config_rows() -> list[tuple[str, Any, str, str]]:
    """The same of every node-config key."""
    return settings_rows(NodeConfig)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else repr(value)


def pyproject_block() -> str:
    """Lines of ``[tool.flwr.app.config]``: dotted keys under their tables."""
    lines: list[str] = []
    table = ""
    for key, default, _, _ in run_config_rows():
        prefix, name = key.split(".", 1)
        if prefix != table:
            lines += ["", f"[tool.flwr.app.config.{prefix}]"]
            table = prefix
        lines.append(f"{name} = {_toml(default)}")
    return "\n".join(lines).strip() + "\n"


def replaced(text: str, block: str, comment: tuple[str, str]) -> str:
    """``text`` with what stands between the two markers replaced by ``block``."""
    begin, end = (f"{comment[0]}{mark}{comment[1]}" for mark in (BEGIN, END))
    pattern = re.compile(re.escape(begin) + r"\n.*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the markers '{begin}' and '{end}' are missing")
    return pattern.sub(lambda _: f"{begin}\n{block}{end}", text)


def up_to_date() -> str:
    """What pyproject.toml should hold."""
    return replaced(PYPROJECT.read_text(), pyproject_block(), ("# ", ""))


def main() -> None:
    """Rewrite the file."""
    PYPROJECT.write_text(up_to_date())
    print(f"{PYPROJECT.name} is up to date")


if __name__ == "__main__":
    main()
