"""A run's folder before there is a run: it must be free, and the launcher's log goes into it under a free name.

Files of others are never written to, moved or removed. A run's output that is redirected to
``runs/mine.log`` beside ``run.folder=runs/mine`` is such a file.

Not for: what a run writes (``server_app.run_folder``).
"""

from __future__ import annotations

import itertools
from pathlib import Path

from crossward.config.run_settings import LAUNCHER_LOG
from crossward.launcher.errors import LauncherError
from crossward.ledger.file import FILE_NAME


def check_new(folder: Path) -> None:
    """Refuse a folder for a new run that holds anything.

    Raises
    ------
    LauncherError
        it holds a run, or anything but logs of failed launches, or is not a folder.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise LauncherError(f"run.folder: {folder} cannot be used ({error.strerror}): name another one") from error
    if FILE_NAME in names:
        raise LauncherError(f"run.folder: {folder} holds a run already: name another one, or give run.resume={folder}")
    if others := [name for name in names if not LAUNCHER_LOG.fullmatch(name)]:
        raise LauncherError(
            f"run.folder: {folder} is not empty (it holds {', '.join(others[:3])}{', ...' if others[3:] else ''}): "
            "name a folder that is empty or does not exist"
        )


def check_resumed(folder: Path) -> None:
    """Refuse to resume what is no run.

    Raises
    ------
    LauncherError
        there is no run in ``folder``.
    """
    if not (folder / FILE_NAME).is_file():
        raise LauncherError(f"run.resume: {folder} holds no run ({FILE_NAME} is missing): name a run's folder")


def new_log(folder: Path, name: str = "launcher") -> Path:
    """An empty file for a log in ``folder``, which is made if need be; its name was free.

    Raises
    ------
    LauncherError
        it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            log = folder / f"{name}{f'-{number}' if number > 1 else ''}.log"
            try:
                log.touch(exist_ok=False)
                return log
            except FileExistsError:
                continue
    except OSError as error:
        raise LauncherError(
            f"cannot write to {folder} ({error.strerror}): name another run.folder or --runs-dir"
        ) from error
    raise AssertionError("unreachable")
