"""What people read: links and anchors resolve, pages are in the navigation, quoted messages are in the source."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts import docs_reference

ROOT = Path(__file__).parents[1]
REFERENCE = "docs/reference/"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"(?m)^#{1,6} (.+?)\s*$")
CODE = re.compile(r"(?ms)^```.*?^```$|`[^`\n]+`")
NOT_THE_APP = ("tests", "benchmarks", "scripts", "examples", "runs", "build", "dist")
ELSEWHERE = {"[code: 2004]", "CERTIFICATE_VERIFY_FAILED"}  # other people's messages


def documents(root: Path = ROOT) -> dict[str, str]:
    """Every document by its path from the root; generated pages as they would be generated now."""
    found = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
    texts = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in found}
    return {name: text for name, text in texts.items() if not name.startswith(REFERENCE)}


@pytest.fixture(scope="module")
def all_documents() -> dict[str, str]:
    return documents() | {REFERENCE + name: text for name, text in docs_reference.pages().items()}


def anchors(text: str) -> set[str]:
    """Anchors of a document's headings, as GitHub and the site make them."""
    found = HEADING.findall(re.sub(r"(?ms)^```.*?^```$", "", text))
    headings = [re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in found]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def broken(documents: dict[str, str], root: Path = ROOT) -> list[str]:
    """Links of ``documents`` that lead nowhere, with the document each is in."""
    found = []
    for name, text in documents.items():
        for link in LINK.findall(CODE.sub("", text)):
            target, _, anchor = link.partition("#")
            if "://" in link:
                continue
            path = (root / name).parent / target if target else root / name
            key = Path(*path.parts).resolve().relative_to(root.resolve()).as_posix()
            inside = key in documents and (not anchor or anchor in anchors(documents[key]))
            if not inside and not (key not in documents and path.exists() and not anchor):
                found.append(f"{name}: {link}")
            if name.startswith("docs/") and not key.startswith("docs/"):
                found.append(f"{name}: {link} is outside of the site")
    return found


def test_every_internal_link_and_anchor_resolves(all_documents: dict[str, str]) -> None:
    assert sum(len(LINK.findall(text)) for text in all_documents.values()) > 100
    assert broken(all_documents) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](docs/b.md) [a](docs/b.md#two-words) [a](https://example.org/x#y) [a](docs/c.png) [a](#here)\n# Here", []),
        ("[a](docs/gone.md)", ["README.md: docs/gone.md"]),
        ("[two\nlines](docs/b.md#gone)", ["README.md: docs/b.md#gone"]),
        ("`[a](docs/gone.md)`\n```\n[a](docs/gone.md)\n# Here\n```\n[a](#here)", ["README.md: #here"]),
    ],
)
def test_what_resolves_and_what_does_not(tmp_path: Path, text: str, wrong: list[str]) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "c.png").touch()
    assert broken({"README.md": text, "docs/b.md": "# `Two` words!"}, tmp_path) == wrong
    assert broken({"docs/b.md": "[a](../README.md)", "README.md": ""}, tmp_path) == [
        "docs/b.md: ../README.md is outside of the site"
    ]


def test_the_readme_has_at_most_200_lines() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 200


def nav_pages(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for inner in entry.values() if isinstance(entry, dict) else entry:
            yield from nav_pages(inner)


def test_every_page_is_in_the_navigation(all_documents: dict[str, str]) -> None:
    site = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]
    listed = [f"docs/{page}" for page in nav_pages(site["nav"])]
    assert len(listed) == len(set(listed))
    pages = {name for name in all_documents if name.startswith("docs/") and "/api/" not in name}
    assert set(listed) == pages | {REFERENCE + "api/index.md"}
    index = all_documents[REFERENCE + "api/index.md"]
    assert all(f"({Path(name).name})" in index for name in all_documents if "/api/" in name and "index" not in name)


# ---------------------------------------------------------------------- troubleshooting


def literals() -> str:
    """Every text in the app's source: where a formatted text holds a value, the literal ends and another begins."""
    found: list[str] = []
    for room in sorted(ROOT.iterdir()):
        for path in () if room.name.startswith(".") or room.name in NOT_THE_APP else sorted(room.rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            found += [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "\0".join([*found, (ROOT / "Makefile").read_text("utf-8")])


def quoted_messages(page: str) -> Iterator[str]:
    """The literal pieces of the first column in tables of messages."""
    for table in re.split(r"\n\n+", page):
        rows = table.splitlines()
        if rows[0].startswith("| message |"):
            for row in rows[2:]:
                for fragment in re.findall(r"`([^`]+)`", row.split(" | ")[0]):
                    yield from (piece for piece in re.split(r" ?\.\.\. ?", fragment.strip()) if len(piece) > 3)


def test_messages_in_troubleshooting_are_in_the_source() -> None:
    source = literals()
    pieces = set(quoted_messages((ROOT / "docs" / "troubleshooting.md").read_text("utf-8"))) - ELSEWHERE
    assert len(pieces) > 80
    assert sorted(piece for piece in pieces if piece not in source) == []
