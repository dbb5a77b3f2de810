"""Every module that docstrings and documents name exists, with what they say is in it; so do commands and keys.

In backticks: dotted names (``client_app.node``, :class:`~client_app.node.Node`), bare ones in parentheses after "Not
for" (modules beside the one that says so), and folders or files of ours. Anywhere: ``python -m`` of ours and ``x.py``.
Names of run-config keys (``data.path``) are keys, not modules. Documents are those that are committed, and the pages
that ``scripts/docs_reference.py`` generates. In code, ``crossward COMMAND`` is a command of the console script.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from crossward.cli.app import app
from scripts import docs_reference
from tests.sources import python_files

ROOT = Path(__file__).parents[1]
HIDDEN = re.compile(r"(^|/)(\.|__pycache__|runs/|build/|dist/)")
TICKED = re.compile(r"`+~?([^`]+)`+")
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\(\))?")
BESIDE = re.compile(r"\(([^()]*)\)")
FILE = re.compile(r"(?<![\w/.<>-])[\w/.-]*\w\.py\b")
COMMAND = re.compile(r"\bpython3? -m ([\w.]+)")
MANIFESTS = ("*.yaml", "*.service", "Dockerfile", "*.sh")
TEXTS = ("*.md", "Makefile", "docs/**/*.md", ".github/**/*.yml")
TEXTS += tuple(f"deploy/**/{name}" for name in MANIFESTS)
FILES = {"node.key"}  # which look like keys
GENERATED = "docs/reference"
CODE = re.compile(r"(?ms)^```\w*\n(.*?)^```$|`([^`\n]+)`")
# in what code says: not an import, a user's name, a namespace (kubectl -n crossward) or a path
OURS = re.compile(r"(?:(?<=bin/)|(?<![\w/.~=-]))(?<!-n )(?<!from )crossward ([a-z][\w-]*)(?: ([a-z][\w-]*))?")
CONSOLE = re.compile(r"(?m)(?:^ *|&& |; |bin/)crossward((?: [a-z][a-z|-]*)+)")
ELSEWHERE = {"nvflare/lighter/impl/he.py"}  # files of other projects


def keys(table: dict[str, Any], before: str = "") -> Iterator[str]:
    """Run-config keys and the beginnings of keys, as documents name them."""
    for key, value in table.items():
        yield before + key
        if isinstance(value, dict):
            yield from keys(value, f"{before}{key}.")


def commands() -> dict[str, set[str]]:
    """Every command of ``crossward``, with its subcommands if it has any."""
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group)
    return {name: set(one.commands) if isinstance(one, click.Group) else set() for name, one in group.commands.items()}


class Tree:
    """The project below ``root``: what may be named, and what is."""

    def __init__(self, root: Path, generated: dict[str, str] | None = None) -> None:
        self.root = root
        self.generated = {root / GENERATED / name: text for name, text in (generated or {}).items()}
        self.files = [p for p in python_files(root) if p != Path(__file__)]  # which names what is not there
        self.packages = {p.relative_to(root).parts[0] for p in self.files if p.parent != root}
        settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["config"]
        self.keys = {key for key in keys(settings) if "." in key}
        self.trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in self.files}
        self.names: dict[Path, set[str]] = {}
        self.commands = commands()

    @cached_property
    def texts(self) -> list[tuple[Path, str, str]]:
        """(file, docstring or document, all that is said in its strings)."""
        return list(self._texts())

    def _texts(self) -> Iterator[tuple[Path, str, str]]:
        for path, tree in self.trees.items():
            message = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
            docs = [ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, documented)]
            yield path, "\n\n".join(docs), "\n".join(message)
        for path, text in self.documents():
            yield path, text if path.suffix == ".md" else "", text

    def documents(self) -> Iterator[tuple[Path, str]]:
        for path in sorted({path for pattern in TEXTS for path in self.root.glob(pattern)}):
            if not HIDDEN.search(path.relative_to(self.root).as_posix().removeprefix(".github/")) and (
                self.root / GENERATED not in path.parents
            ):
                yield path, path.read_text(encoding="utf-8")
        yield from self.generated.items()

    def console(self) -> Iterator[tuple[Path, list[str]]]:
        """(document, words after ``crossward``) of every call of the console script in a document's code."""
        for path, text in self.documents():
            code = "\n".join("".join(found) for found in CODE.findall(text)) if path.suffix == ".md" else ""
            for words in CONSOLE.findall(code.replace("\\|", "|")):  # as tables spell it
                yield path, words.split()

    def module(self, name: str) -> tuple[Path | None, list[str]]:
        """The file (or folder, of a package) that ``name`` begins with, and what of ``name`` is left."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            place = self.root.joinpath(*parts[:length])
            for path in (place.with_suffix(".py"), place / "__init__.py", place):
                if path.is_file() or (path == place and path.is_dir()):
                    return path, parts[length:]
        return None, parts

    def holds(self, path: Path, name: str) -> bool:
        """Whether the module at ``path`` defines or imports ``name`` at any depth."""
        if path not in self.names:
            found: set[str] = set()
            for node in ast.walk(self.trees[path]) if path in self.trees else ():
                if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    found.add(node.name)
                elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                    found.add(node.id if isinstance(node, ast.Name) else node.attr)
                elif isinstance(node, ast.alias):
                    found.add((node.asname or node.name).split(".")[0])
            self.names[path] = found
        return name in self.names[path]

    def exists(self, name: str) -> bool:
        path, rest = self.module(name)
        return path is not None and all(self.holds(path, part) for part in rest)

    def runs(self, name: str) -> bool:
        path, rest = self.module(name)
        return path is not None and not rest and (path.name != "__init__.py" or (path.parent / "__main__.py").exists())

    def missing(self) -> list[str]:
        """What is named and is not there, with where it is named."""
        found = ((path, what) for path, *texts in self.texts for what in self._missing(path, *texts))
        return sorted({f"{path.relative_to(self.root)}: {what}" for path, what in found})

    def _missing(self, path: Path, documented: str, message: str) -> Iterator[str]:
        yield from self._missing_modules(documented)
        yield from self._missing_neighbours(path, documented)
        for name in FILE.findall(documented):
            if name not in ELSEWHERE and not any((place / name).exists() for place in (self.root, path.parent)):
                yield name
        yield from self._missing_commands(message.replace("\\.", "."))  # as patterns spell it, too
        yield from self._missing_calls(path, message)

    def _missing_modules(self, documented: str) -> Iterator[str]:
        ours = "|".join(sorted(self.packages))
        for token in TICKED.findall(documented):
            name = token.strip().removesuffix("()")
            if DOTTED.fullmatch(name) and name.split(".")[0] in self.packages:
                if name not in self.keys and not name.endswith((".json", ".toml", ".log")) and not self.exists(name):
                    yield name
            elif re.fullmatch(rf"({ours})/[\w/.*-]*", name) and not list(self.root.glob(name.rstrip("/"))):
                yield name

    def _missing_neighbours(self, path: Path, documented: str) -> Iterator[str]:
        """Modules that a docstring's "Not for:" redirects to."""
        for sentence in re.findall(r"Not for:? (.*?)(?:\.(?=\s|$)|$)", " ".join(documented.split())):
            for inside in BESIDE.findall(sentence):
                for name in filter(re.compile(r"[a-z_]+").fullmatch, TICKED.findall(inside)):
                    beside = [path.with_name(f"{name}.py"), path.with_name(name), self.root / name]
                    if not any(place.exists() for place in beside):
                        yield name

    def _missing_commands(self, message: str) -> Iterator[str]:
        for name in COMMAND.findall(message):
            name = name.rstrip(".")
            if name.isupper() or name.split(".")[-1].isupper():
                continue  # stands for any
            if name.split(".")[0] in self.packages and not self.runs(name):
                yield f"python -m {name}"

    def _missing_calls(self, path: Path, message: str) -> Iterator[str]:
        """Calls of the console script in what code says; of documents see ``unknown``."""
        for name, below in OURS.findall(message) if path.suffix == ".py" and "tests" not in path.parts else ():
            known = self.commands.get(name)
            if known is None or (known and below and below not in known):
                yield f"crossward {name} {below}".rstrip()


@pytest.fixture(scope="module")
def whole() -> Tree:
    return Tree(ROOT, docs_reference.pages())


def test_every_module_file_and_command_that_is_named_exists(whole: Tree) -> None:
    assert whole.missing() == []


def unknown_keys(tree: Tree) -> list[str]:
    """Run-config keys in the documents' code that are none: alone in backticks, or with a value anywhere."""
    sections = "|".join(sorted({key.split(".")[0] for key in tree.keys}))
    alone, given = re.compile(rf"({sections})\.[a-z][a-z0-9-]*"), re.compile(rf"\b({sections})\.([a-z][a-z0-9-]*) ?=")
    found = set()
    for path, text in tree.documents():
        blocks, inline = zip(*CODE.findall(text) or [("", "")], strict=True)
        named = {
            name for name in inline if alone.fullmatch(name) and not name.endswith((".pub", ".toml", ".json", ".npy"))
        }
        named |= {".".join(match) for code in (*blocks, *inline) for match in given.findall(code)}
        found |= {(path, name) for name in named - tree.keys - FILES if not tree.exists(name)}
    return sorted(f"{path.relative_to(tree.root)}: {name}" for path, name in found)


def test_every_key_in_the_documents_exists(whole: Tree) -> None:
    assert unknown_keys(whole) == []


def unknown(tree: Tree, known: set[str]) -> list[str]:
    """Calls of the console script that are none of its commands (``known``), one word or two."""
    groups = {name.split()[0] for name in known if " " in name}
    found = set()
    for path, words in tree.console():
        for first in words[0].split("|"):
            for second in words[1].split("|") if first in groups and len(words) > 1 else ("",):
                if f"{first} {second}".strip() not in known:
                    found.add(f"{path.relative_to(tree.root)}: crossward {first} {second}".strip())
    return sorted(found)


def test_every_command_of_the_console_script_that_is_named_exists(whole: Tree) -> None:
    known = {name.removeprefix("crossward ") for name, _ in docs_reference.commands(docs_reference.command_line())}
    assert len(list(whole.console())) > 50
    assert unknown(whole, known) == []


def test_the_project_was_looked_at(whole: Tree) -> None:
    tree = whole
    assert {"client_app", "strategies", "server_app", "tests", "benchmarks", "scripts", "crossward"} <= tree.packages
    texts = {path.relative_to(ROOT).as_posix(): text for path, text, _ in tree.texts}
    assert len(texts) > 500 and "strategies.settings" not in tree.keys
    assert {"README.md", "docs/threat-model.md", "docs/reference/configuration.md"} <= texts.keys()
    named = {name for text in texts.values() for name in TICKED.findall(text)}
    assert len({name for name in named if DOTTED.fullmatch(name) and tree.module(name)[0] is not None}) > 150


# ---------------------------------------------------------------------- the check, on a made-up tree

CLEAN = {
    "pyproject.toml": '[tool.flwr.app.config.data]\npath = ""\n',
    "README.md": "`python -m data.show` draws `data/`; `data.path` is a key, `data.json` a file. See `data.notes`.",
    "docs/guide.md": "See data/notes.py and `data.notes.Note.text`; `crossward keys create FILE`, `crossward run`.",
    "Makefile": "show:\n\tpython -m data.show\n",
    "data/__init__.py": '"""Not for: drawing (``show``), reading (``data.notes``)."""',
    "data/notes.py": '"""A note. Not for drawing: see show.py."""\n'
    'class Note:\n    """See :meth:`~data.notes.Note.read`."""\n    text: str\n    def read(self): ...\n',
    "data/show.py": '"""Uses :class:`~data.notes.Note`; try `python -m data.show`."""\nprint("python -m data.show")\n',
}


def tree(root: Path, changes: dict[str, str]) -> Tree:
    for name, text in (CLEAN | changes).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Tree(root)


def test_a_clean_tree_passes(tmp_path: Path) -> None:
    assert tree(tmp_path, {}).missing() == []


def test_keys_are_looked_for_in_code_alone(tmp_path: Path) -> None:
    text = "data.old is gone. `data.path`, `data.paths`, `make RUN_CONFIG='data.way=x'`\n"
    text += "```\ndata.where = 1 data.path=2\n```\n"
    made = tree(tmp_path, {"docs/guide.md": text})
    assert unknown_keys(made) == [f"docs/guide.md: data.{name}" for name in ("paths", "way", "where")]


def test_generated_pages_are_looked_at_as_they_would_be_made_now(tmp_path: Path) -> None:
    stale = {"docs/reference/old.md": "`data.old`"}
    made = tree(tmp_path, stale)
    assert made.missing() == []
    assert Tree(tmp_path, {"new.md": "`data.new`"}).missing() == ["docs/reference/new.md: data.new"]


def test_calls_of_the_console_script_are_found_in_code_alone(tmp_path: Path) -> None:
    text = "crossward is software. `crossward run`, `sudo -u crossward keys`\n```\n. x && crossward keys create FILE\n"
    text += "  .venv/bin/crossward watch|report runs/x\ncrossward deploy gone\n```\n"
    made = tree(tmp_path, {"docs/guide.md": text})
    found = [" ".join(words) for _, words in made.console()]
    assert found == ["run", "keys create", "watch|report runs", "deploy gone"]
    known = {"run", "keys", "keys create", "watch", "deploy", "deploy check"}
    assert unknown(made, known) == ["docs/guide.md: crossward deploy gone", "docs/guide.md: crossward report"]


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("data/show.py", '"""Not for: reading (``data.reader``)."""', "data.reader"),
        ("data/show.py", '"""Not for: reading (``reader``)."""', "reader"),
        ("data/show.py", 'def f():\n    """See `data.notes.gone`."""', "data.notes.gone"),
        ("data/show.py", 'class A:\n    """As :meth:`~data.notes.Note.write`."""', "data.notes.Note.write"),
        ("data/show.py", '"""Not for reading: see\nreader.py."""', "reader.py"),
        ("data/show.py", '"""Draws."""\nraise ValueError("try `python -m data.draw`")', "python -m data.draw"),
        ("README.md", "Folders: `data/readers/`.", "data/readers/"),
        ("README.md", "`python -m data` does it.", "python -m data"),
        ("data/show.py", 'raise ValueError("try `crossward deploy hospitals x`")', "crossward deploy hospitals"),
        ("docs/guide.md", "`data.paths` is misspelt.", "data.paths"),
        ("Makefile", "draw:\n\tpython -m data.draw\n", "python -m data.draw"),
    ],
)
def test_what_is_named_and_is_not_there_is_found(tmp_path: Path, name: str, text: str, what: str) -> None:
    assert tree(tmp_path, {name: text}).missing() == [f"{name}: {what}"]
