"""Values of a hospital's own TOML file, each checked, with errors that name the file, the key and what to do.

Not for: what the keys mean (``crossward.config.notes_toml``, ``crossward.config.party_toml``).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossward.config.settings import SettingsError
from crossward.machine.paths import PathError, absolute

Pairs = tuple[tuple[str, str], ...]


class OwnFileError(SettingsError):
    """A hospital's own file is missing or wrong; what it says stays in the hospital's own log."""

    tellable = False


class TomlValues:
    """The values of the file ``path``, whose tables are ``given``; ``error`` is raised of what is wrong."""

    def __init__(self, path: Path, given: Mapping[str, Any], error: type[OwnFileError]) -> None:
        self.path, self.given, self.error = path, given, error

    def wrong(self, what: str) -> OwnFileError:
        """An error that names the file."""
        return self.error(f"{self.path}: {what}")

    def known(self, what: str, given: Iterable[str], known: Iterable[str]) -> None:
        """Refuse a key that does not exist: a misspelt one would say nothing."""
        known = list(known)
        for key in given:
            if key not in known:
                raise self.wrong(f"there is no {what} {key!r}{nearest(key, known)}; known are {', '.join(known)}")

    def text(self, key: str, value: Any) -> str:
        """A text."""
        if not isinstance(value, str):
            raise self.wrong(f'{key} is {kind(value)}: a text was expected, {key.rpartition(".")[2]} = "..."')
        return value

    def texts(self, key: str, value: Any) -> tuple[str, ...]:
        """A list of texts."""
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.wrong(f'{key} is no list of texts: {key.rpartition(".")[2]} = ["...", "..."] was expected')
        return tuple(value)

    def number(self, key: str, value: Any, low: float, high: float) -> float:
        """A number from ``low`` to ``high``."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.wrong(f"{key} is {kind(value)}: a number from {low:g} to {high:g} was expected")
        if not low <= value <= high:
            raise self.wrong(f"{key} = {value:g}: a number from {low:g} to {high:g} was expected")
        return float(value)

    def one_of(self, key: str, value: Any, choices: Sequence[str]) -> str:
        """One of ``choices``, by name."""
        found = self.text(key, value)
        if found not in choices:
            what = f"= {found!r} is unknown" if found else "is missing"
            raise self.wrong(f"{key} {what}: one of {', '.join(choices)} was expected")
        return found

    def table(self, key: str, known: Iterable[str] | None = None) -> dict[str, Any]:
        """The table ``key``, which has no keys but the ``known`` ones; empty where the file has none."""
        found = self.given.get(key, {})
        if not isinstance(found, dict):
            raise self.wrong(f"{key} is {kind(found)}: a table was expected, [{key}]")
        if known is not None:
            self.known(f"key in [{key}]", found, known)
        return found

    def pairs(self, key: str, known: Iterable[str] | None = None) -> Pairs:
        """The texts of a table, by key."""
        table = self.table(key, known)
        return tuple(sorted((name, self.text(f"{key}.{name}", value)) for name, value in table.items()))

    def place(self, value: str, key: str) -> str:
        """A path, which is taken from the file's folder."""
        try:
            return str(absolute(value, key, self.path.absolute().parent))
        except PathError as error:
            raise self.wrong(str(error)) from None

    def formats(self, key: str) -> tuple[str, ...]:
        """One format of times or several, as ``strptime`` has them."""
        found = self.given.get(key, [])
        formats = (found,) if isinstance(found, str) else self.texts(key, found)
        for stated in formats:
            if "%" not in stated:
                raise self.wrong(
                    f"{key} = {stated!r} is no format of strptime: %d, %m, %Y, %H, %M and the like were "
                    'expected, such as "%d.%m.%Y %H:%M"'
                )
        return formats


def nearest(word: str, known: Iterable[str]) -> str:
    """A question whether one of ``known`` was meant; "" where none is near."""
    near = difflib.get_close_matches(word.lower().replace("_", "-"), list(known), 1)
    return f", did you mean {near[0]!r}?" if near else ""


def kind(value: object) -> str:
    """What a value of TOML is, in words."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list", dict: "a table"}
    return names.get(type(value), f"a {type(value).__name__}")
