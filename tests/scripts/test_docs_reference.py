"""Generated pages: every setting, every command, every module, made without torch; what is gone leaves no page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import typer

from crossward.launcher import settings_table
from scripts import docs_reference
from scripts.docs_reference import (
    api_pages,
    cli_page,
    commands,
    configuration_page,
    example_pages,
    notebook_page,
    write,
)

ROOT = Path(__file__).parents[2]


def test_the_configuration_page_has_every_key_in_its_section() -> None:
    page = configuration_page()
    sections = dict(re.findall(r"(?ms)^## ([^\n]+)\n(.*?)(?=^## |\Z)", page))
    for rows, section in ((settings_table.run_config_rows(), None), (settings_table.node_config_rows(), "Node config")):
        assert rows
        for key, _, _, meaning in rows:
            assert re.search(rf"\| `{re.escape(key)}`( \\\*)? \| ", sections[section or key.split(".")[0]]), key
            assert re.split(r"[|<]", meaning)[0] in page
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in page.splitlines() if row.startswith("| "))


def tool() -> typer.Typer:
    app = typer.Typer(help="A tool.\n\nFor two things.")
    keys = typer.Typer(help="Keys.")
    app.add_typer(keys, name="keys")

    @app.command()
    def run(
        folder: str,
        count: int = typer.Option(3, "--count", "-n", help="How many | of `<n>`, <m>."),
        quiet: bool = typer.Option(False, "--quiet", help="No log."),
    ) -> None:
        """Run it."""

    @keys.command("make")
    def make() -> None:
        """Make one."""

    @app.command(hidden=True)
    def secret() -> None:
        """Not for people."""

    return app


def test_the_page_of_commands_has_usage_help_arguments_and_options() -> None:
    page = cli_page(typer.main.get_command(tool()))
    assert "\n## crossward itself\n" in page and "A tool.\n\nFor two things." in page
    run = page[page.index("\n## crossward run\n") :]
    assert "```\ncrossward run [OPTIONS] FOLDER\n```\n\nRun it.\n" in run
    assert "| `FOLDER` |  |  |" in run
    assert re.search(r"\| `--count, -n [^`]*` \| `3` \| How many \\\| of `<n>`, &lt;m>\. \|", run)
    assert "| `--quiet` |  | No log. |" in run
    assert "\n## crossward keys make\n" in page and "secret" not in page


def test_plain_click_commands_do_as_well() -> None:
    @click.command()
    @click.argument("path", default="runs", help="Where.")
    @click.option("--serve/--no-serve", default=True, help="As a page.")
    def watch(path: str, serve: bool) -> None:
        """Watch it.\f Not shown."""  # noqa: D301 - the form feed itself

    page = cli_page(watch)
    assert "Watch it.\n" in page and "Not shown" not in page
    assert "| `[PATH]` | `runs` | Where. |" in page
    assert "| `--serve, --no-serve` | `True` | As a page. |" in page
    assert [name for name, _ in commands(watch)] == ["crossward"]


def test_every_module_of_a_package_is_on_its_page(tmp_path: Path) -> None:
    for name, text in {
        "client_app/__init__.py": '"""A node | and more.\n\nNot this."""',
        "client_app/node.py": "",
        "client_app/group/__init__.py": "",
        "client_app/group/rank.py": "",
        "client_app/group/__main__.py": "",
        "server_app/__init__.py": "",
        "strategies/__init__.py": "",
        "data/__init__.py": "",
        "crossward/__init__.py": "",
        "crossward/config/__init__.py": "",
        "crossward/config/_hidden.py": "",
        "crossward/config/keys.py": "",
        "benchmarks/__init__.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    pages = api_pages(tmp_path)
    names = ["client_app", "server_app", "strategies", "data", "crossward.config"]
    assert set(pages) == {"index.md", *(f"{name}.md" for name in names)}
    listed = re.findall(r"(?m)^::: (\S+)$", pages["client_app.md"])
    assert listed == ["client_app", "client_app.group", "client_app.group.rank", "client_app.node"]
    assert re.findall(r"(?m)^::: (\S+)$", pages["crossward.config.md"]) == ["crossward.config", "crossward.config.keys"]
    assert "| [`client_app`](client_app.md) | A node \\| and more. |" in pages["index.md"]


def test_a_notebook_becomes_text_and_code() -> None:
    cells = [("markdown", ["# One\n", "\n", "Text."]), ("code", ["a = 1\n", "b = 2"]), ("markdown", ["End."])]
    notebook = json.dumps({"cells": [{"cell_type": kind, "source": source} for kind, source in cells]})
    assert notebook_page(notebook) == "# One\n\nText.\n\n```python\na = 1\nb = 2\n```\n\nEnd.\n"


def test_every_example_has_a_page() -> None:
    pages = example_pages()
    named = {path.name for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".ipynb")}
    assert {name for name in named if any(name in page for page in pages.values())} == named
    assert all(page.startswith("# ") and page.count("```python") == page.count("```\n") for page in pages.values())


def test_pages_that_are_no_longer_made_are_removed(tmp_path: Path) -> None:
    write(tmp_path, {"cli.md": "old", "api/gone.md": "old"})
    write(tmp_path, {"cli.md": "new", "api/here.md": "here"})
    found = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.md")}
    assert found == {"cli.md": "new", "api/here.md": "here"}


def test_neither_torch_nor_flower_is_imported_for_the_pages() -> None:
    code = (
        "import sys; from scripts import docs_reference as d; d.api_pages(); d.configuration_page(); "
        "print(*sorted({'torch', 'transformers', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    assert docs_reference.REFERENCE == ROOT / "docs" / "reference"
