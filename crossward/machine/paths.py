"""Paths as people and env files write them: ``~`` expanded, absolute, or refused. And CROSSWARD_HOME.

Flower's processes work in temporary directories of their own, so a relative path that reaches one of them names
another file in each. Commands therefore resolve paths in the caller's directory (:func:`absolute`,
:func:`path_argument`), and everything behind them takes absolute ones alone (:func:`checked`).

Not for: reading what is there.
"""

from __future__ import annotations

import os
from pathlib import Path

HOME = "CROSSWARD_HOME"


class PathError(ValueError):
    """A path cannot be used; the text says which, why and what to do."""


def expanded(path: str | Path, what: str = "path") -> Path:
    """``path`` with a leading ``~`` or ``~user`` expanded. ``what`` names the setting in errors.

    Raises
    ------
    PathError
        the home directory that it asks for is not known, or it holds a NUL byte.
    """
    if "\0" in str(path):
        raise PathError(f"{what} = {str(path)!r} holds a NUL byte: no file can have that name")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise PathError(
            f"{what} = {str(path)!r}: the home directory that ~ stands for is not known (HOME is not set, or there is "
            "no such user): write the path out"
        ) from error


def absolute(path: str | Path, what: str = "path", base: Path | None = None) -> Path:
    """``path`` expanded and, if it is relative, taken from ``base`` (default: the working directory). Links stay.

    Raises
    ------
    PathError
        see :func:`expanded`.
    """
    found = expanded(path, what)
    return Path(os.path.abspath(found if base is None else base / found))  # noqa: PTH100 - resolve() follows links


def checked(path: str, what: str) -> str:
    """A setting's path, expanded; empty stays empty.

    ``~user`` is not expanded: whoever chose the setting for another machine would learn who has an account there.

    Raises
    ------
    PathError
        it is relative or begins with ~user, or see :func:`expanded`.
    """
    if path.startswith("~") and path != "~" and not path.startswith("~/"):
        raise PathError(f"{what} = {path!r}: of paths with ~ only ~/ is expanded here: write the path out")
    if path and not (found := expanded(path, what)).is_absolute():
        raise PathError(
            f"{what} = {path!r} is a relative path, but Flower's processes work in directories of their own: give an "
            "absolute one, or one that begins with ~/"
        )
    return str(found) if path else ""


def looks_like_path(name: str) -> bool:
    """Whether a value that may be a name or a path (``model.name``) is written as a path."""
    return name.startswith(("/", "~", "./", "../")) or name in (".", "..")


def path_argument(text: str) -> Path:
    """For ``argparse``: a path of the command line, expanded and absolute."""
    import argparse

    if not text:
        raise argparse.ArgumentTypeError("an empty path")
    try:
        return absolute(text)
    except PathError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def home() -> Path:
    """The folder for this user's caches, simulated nodes' state and simulation keys: CROSSWARD_HOME, or ~/.crossward.

    It need not exist yet.

    Raises
    ------
    PathError
        CROSSWARD_HOME is relative, or neither it nor the user's home directory is known.
    """
    if given := os.environ.get(HOME, ""):
        return absolute(checked(given, HOME), HOME)
    try:
        return Path.home() / ".crossward"
    except RuntimeError as error:
        raise PathError(
            f"this user has no home directory (HOME is not set): set {HOME} to a folder for caches, keys and state"
        ) from error


def own_folder(name: str) -> Path:
    """The folder ``name`` of :func:`home`, which may be "one/in/another", made for this user alone if need be.

    What is in it is replaced and removed as needed, so a folder of another user's is refused.

    Raises
    ------
    PathError
        it cannot be made, or belongs to another user.
    """
    folder = home()
    for part in Path(name).parts:
        folder /= part
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise PathError(
                f"{error.filename} cannot be made ({error.strerror}): set {HOME} to a writable folder"
            ) from error
        if (owner := folder.stat().st_uid) != os.geteuid():
            raise PathError(
                f"{folder} belongs to user {owner}, not to this one ({os.geteuid()}): set {HOME} to a folder of your "
                "own"
            )
    return folder
