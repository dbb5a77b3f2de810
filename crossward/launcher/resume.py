"""What an interrupted run was started with, to go on in the same way.

Not for: checking that it may go on (``server_app.run_folder``).
"""

from __future__ import annotations

from pathlib import Path

from crossward.config.old_keys import current_keys
from crossward.launcher.errors import LauncherError
from crossward.launcher.folder import check_resumed
from crossward.launcher.overrides import Value, app_defaults
from crossward.ledger.file import FILE_NAME, LedgerError, read_entries
from server_app.run_folder import RunFolderError, read_config

_OWN = ("run.folder", "run.resume")


def begun(folder: Path, app: Path) -> tuple[dict[str, Value], int]:
    """The settings of the run in ``folder`` that are not ``app``'s defaults, and how many hospitals took part.

    Raises
    ------
    LauncherError
        ``folder`` holds no run, or one that cannot be read.
    """
    check_resumed(folder)
    defaults = app_defaults(app)
    joined: set[str] = set()
    try:
        config = current_keys(read_config(folder)["config"])
        for entry in read_entries(folder / FILE_NAME):
            if entry.event in ("started", "resumed"):  # nodes get new names
                joined.clear()
            elif entry.event == "joined":
                joined.add(str(entry.facts["node"]))
    except (RunFolderError, LedgerError, OSError) as error:
        raise LauncherError(f"cannot resume: {error}") from error
    settings = {key: value for key, value in config.items() if key not in _OWN and defaults.get(key) != value}
    return settings | {"run.resume": str(folder)}, len(joined)
