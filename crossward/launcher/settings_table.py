"""Every run-config key in one place: the README's table and pyproject.toml's defaults.

``python -m crossward.launcher.settings_table`` rewrites table and defaults between their markers; a test fails when
they are out of date.

Not for: reading settings (``crossward.config.run_config``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from crossward.config.node_config import NodeConfig
from crossward.config.run_config import HOSPITAL_KEYS, SECTIONS
from crossward.config.settings import settings_rows

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "settings: begin", "settings: end"


def run_config_rows() -> list[tuple[str, Any, str, str]]:
    """(key, default, allowed values, help) of every run-config key, grouped by prefix."""
    rows = [row for cls in SECTIONS.values() for row in settings_rows(cls)]
    order = list(dict.fromkeys(row[0].split(".")[0] for row in rows))
    return sorted(rows, key=lambda row: order.index(row[0].split(".")[0]))


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


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _table(rows: list[tuple[str, Any, str, str]]) -> list[str]:
    out = ["| key | default | expected | meaning |", "|---|---|---|---|"]
    for key, default, wanted, meaning in rows:
        mark = " \\*" if key in HOSPITAL_KEYS else ""
        out.append(f"| `{key}`{mark} | `{_toml(default)}` | {_cell(wanted)} | {_cell(meaning)} |")
    return [*out, ""]


def readme_block() -> str:
    """The README's tables: run config, then node config."""
    return "\n".join(
        [
            "**Run config** (\\*: a hospital may set the key in its own node config, for its machine alone)",
            "",
            *_table(run_config_rows()),
            "**Node config** (`flower-supernode --node-config`, or `[node-config]` in `hospital.toml`); besides these, "
            "every run key with a \\*",
            "",
            *_table(settings_rows(NodeConfig)),
        ]
    )


def replaced(text: str, block: str, comment: tuple[str, str]) -> str:
    """``text`` with what stands between the two markers replaced by ``block``."""
    begin, end = (f"{comment[0]}{mark}{comment[1]}" for mark in (BEGIN, END))
    pattern = re.compile(re.escape(begin) + r"\n.*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the markers '{begin}' and '{end}' are missing")
    return pattern.sub(lambda _: f"{begin}\n{block}{end}", text)


def up_to_date() -> dict[Path, str]:
    """What README.md and pyproject.toml should hold."""
    pyproject, readme = ROOT / "pyproject.toml", ROOT / "README.md"
    return {
        pyproject: replaced(pyproject.read_text(), pyproject_block(), ("# ", "")),
        readme: replaced(readme.read_text(), readme_block(), ("<!-- ", " -->")),
    }


def main() -> None:
    """Rewrite both files."""
    for path, text in up_to_date().items():
        path.write_text(text)
        print(f"{path.name} is up to date")


if __name__ == "__main__":
    main()
