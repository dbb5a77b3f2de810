"""``python scripts/docs_reference.py``: writes docs/reference/, the pages made from the code (``make docs``).

Settings come from the settings classes, commands from the command line's own definitions, examples from ``examples/``,
and a page for each package holds directives that mkdocstrings expands from the source, which it reads without importing
anything.

Not for: prose, which is in docs/ and committed.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
ROOMS = ("client_app", "server_app", "strategies", "data")
HOME = "crossward"  # the package of all other rooms


def prose(text: str) -> str:
    """Plain text as Markdown shows it: what is in angle brackets is no tag."""
    return re.sub(r"(`[^`]*`)|<(?=[A-Za-z/!])", lambda found: found[1] or "&lt;", text)


def cell(text: object) -> str:
    """Text for a cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ").strip()


# ---------------------------------------------------------------------- settings


def configuration_page() -> str:
    """Every run-config key by its section, then the node's keys, each with default, allowed values and meaning."""
    table = importlib.import_module(f"{HOME}.launcher.settings_table")
    sections: dict[str, list[tuple[str, Any, str, str]]] = {}
    for row in table.run_config_rows():
        sections.setdefault(row[0].split(".")[0], []).append(row)
    lines = [
        "# Configuration",
        "",
        "Run-config keys are set with `crossward run --run-config 'KEY=VALUE ...'`, `make run RUN_CONFIG='...'`, or in",
        "`pyproject.toml`. All of them are checked before a run starts. A hospital sets its own",
        "[node config](#node-config) in `hospital.toml`, and there it may also set the run keys marked \\* for its own",
        "machine.",
    ]
    for section, rows in sections.items():
        lines += ["", f"## {section}", "", *settings(rows)]
    lines += ["", "## Node config", ""]
    lines += [
        "The table `[node-config]` of `hospital.toml`, or `flower-supernode --node-config`. It may also hold the run",
        "keys marked \\*.",
    ]
    return "\n".join([*lines, "", *settings(table.node_config_rows()), ""])


def settings(rows: list[tuple[str, Any, str, str]]) -> Iterator[str]:
    """A table of settings: key (with a star if a hospital may override it), default, expected and meaning of each."""
    own = importlib.import_module(f"{HOME}.config.run_config").HOSPITAL_KEYS
    yield from ("| key | default | expected | meaning |", "|---|---|---|---|")
    for key, default, expected, meaning in rows:
        shown = json.dumps(default) if isinstance(default, bool | str) else repr(default)
        mark = " \\*" if key in own else ""
        yield f"| `{key}`{mark} | `{shown}` | {cell(expected)} | {cell(prose(meaning))} |"


# ---------------------------------------------------------------------- commands


def command_line() -> Any:
    """The click command behind the console script ``crossward``.

    Raises
    ------
    ModuleNotFoundError
        this tree has no ``crossward.cli``.
    """
    import typer

    return typer.main.get_command(importlib.import_module(f"{HOME}.cli.app").app)


def commands(command: Any, name: str = HOME) -> Iterator[tuple[str, Any]]:
    """A click command and all of its subcommands, with the words that call each."""
    yield name, command
    for sub, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from commands(inner, f"{name} {sub}")


def cli_page(command: Any) -> str:
    """Every command with its usage, what it does, its arguments and its options."""
    lines = ["# Commands", "", "`crossward COMMAND --help` prints the same in a terminal."]
    for name, one in commands(command):
        context = one.make_context(name, [], resilient_parsing=True)
        usage = " ".join([name, *one.collect_usage_pieces(context)])
        lines += ["", f"## {name}" if name != HOME else f"## {HOME} itself", "", "```", usage, "```", ""]
        lines += [paragraph(one.help or ""), ""]
        rows = list(parameters(one, context))
        if rows:
            lines += ["| argument or option | default | meaning |", "|---|---|---|", *rows]
    return "\n".join([*lines, ""])


def paragraph(text: str) -> str:
    """Help text as click takes it, without its marks for line breaks and pages."""
    return prose(text.split("\f")[0].replace("\b", "").strip())


def parameters(command: Any, context: Any) -> Iterator[str]:
    """Table rows of a command's visible options and arguments."""
    for one in command.params:
        if getattr(one, "hidden", False):
            continue
        if one.param_type_name == "argument":
            names, meaning = one.make_metavar(context), getattr(one, "help", None) or ""
        else:
            names = ", ".join([*one.opts, *one.secondary_opts])
            names += "" if one.is_flag else f" {one.make_metavar(context)}"
            meaning = one.help or ""
        default = one.get_default(context)
        shown = isinstance(default, str | int | float | Path) and default is not False and str(default)
        yield f"| `{cell(names)}` | {f'`{cell(default)}`' if shown else ''} | {cell(prose(meaning))} |"


# ---------------------------------------------------------------------- API


def packages(root: Path = ROOT) -> dict[str, Path]:
    """Dotted name -> folder of every package that has a page of its own."""
    found = {room: root / room for room in ROOMS}
    inside = sorted(path.parent for path in (root / HOME).glob("*/__init__.py"))
    return found | {f"{HOME}.{folder.name}": folder for folder in inside}


def modules(name: str, folder: Path) -> Iterator[tuple[str, str]]:
    """(dotted name, first paragraph of its docstring) of a package's modules, commands' entry points left out."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[-1] == "__main__" or any(part.startswith(("_", "test")) and part != "__init__" for part in parts):
            continue
        docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        module = ".".join([name, *(part for part in parts if part != "__init__")])
        yield module, " ".join(docstring.split("\n\n")[0].split())


def api_pages(root: Path = ROOT) -> dict[str, str]:
    """Pages of the API reference by file name: an index, and for each package its modules."""
    index = ["# API", "", "Generated from the docstrings. Names that begin with an underscore are private.", ""]
    index += ["| package | holds |", "|---|---|"]
    pages = {}
    for name, folder in packages(root).items():
        found = list(modules(name, folder))
        lines = [f"# {name}", "", f"::: {name}", "    options:", "      show_root_heading: false", ""]
        for module, _ in found[1:]:
            lines += [f"::: {module}", ""]
        pages[f"{name}.md"] = "\n".join(lines)
        index.append(f"| [`{name}`]({name}.md) | {cell(prose(found[0][1]))} |")
    return {"index.md": "\n".join([*index, ""])} | pages


# ---------------------------------------------------------------------- examples


def notebook_page(notebook: str) -> str:
    """A notebook's text and code, without outputs."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(notebook)["cells"]]
    return "\n\n".join(text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in cells) + "\n"


def example_pages(folder: Path = ROOT / "examples") -> dict[str, str]:
    """A page for each example by file name."""
    notebook, script = folder / "from_notes_to_adapter.ipynb", folder / "strategy_from_python.py"
    from_notes = f"{notebook_page(notebook.read_text('utf-8'))}\nThis page is `examples/{notebook.name}`.\n"
    from_python = f"# A strategy from Python\n\n```python\n{script.read_text('utf-8')}```\n"
    return {"from-notes-to-adapter.md": from_notes, "strategy-from-python.md": from_python}


# ---------------------------------------------------------------------- writing


def pages() -> dict[str, str]:
    """All generated pages, by their path below docs/reference/."""
    found = {"configuration.md": configuration_page(), **example_pages()}
    try:
        found["cli.md"] = cli_page(command_line())
    except ModuleNotFoundError as error:
        print(f"docs_reference: the reference of commands is left out: {error}", file=sys.stderr)
        found["cli.md"] = "# Commands\n\nThis tree has no command line to describe.\n"
    return found | {f"api/{name}": text for name, text in api_pages().items()}


def write(folder: Path, found: dict[str, str]) -> None:
    """Make ``folder`` hold these pages and no others."""
    for stale in folder.rglob("*.md"):
        if stale.relative_to(folder).as_posix() not in found:
            stale.unlink()
    for name, text in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def main() -> None:
    """Write the pages into docs/reference/, replacing what is there."""
    sys.path.insert(0, str(ROOT))
    write(REFERENCE, pages())


if __name__ == "__main__":
    main()
