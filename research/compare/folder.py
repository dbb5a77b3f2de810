"""The folder of a comparison: what its settings were, so that the same command continues it and no other one does.

Not for: the jobs in it (``research.compare.work``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossward.evaluation.replay import EvaluationError
from crossward.machine.files import write_atomic

Facts = dict[str, Any]
SETTINGS = "settings.json"
DEFAULTS = "defaults_sha256"  # key of the settings kept


def read_json(path: Path) -> Facts:
    """A file of the output folder."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
        reason = f"it holds a {type(found).__name__}"
    except (ValueError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise EvaluationError(
        f"{path} is no file of a comparison ({reason}): delete it to have it made again, or give --out another folder"
    )


def write_json(path: Path, content: Facts) -> None:
    """Write it whole or not at all, into a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def defaults_digest(defaults: Mapping[str, Any]) -> str:
    """SHA-256, hexadecimal, of run-config ``defaults``, in whatever order they stand."""
    return hashlib.sha256(json.dumps(dict(defaults), sort_keys=True).encode()).hexdigest()


def open_folder(out: Path, wanted: Facts, defaults: Mapping[str, Any]) -> None:
    """Make ``out`` the folder of a comparison of the settings ``wanted``, or see that it is one.

    Raises
    ------
    EvaluationError
        it holds something else, a comparison of other settings, or one made under other ``defaults``.
    """
    if out.exists() and not out.is_dir():
        raise EvaluationError(f"{out} is a file: give --out a folder, which is made where there is none")
    path = out / SETTINGS
    asked = json.loads(json.dumps(dict(wanted)))
    asked[DEFAULTS] = defaults_digest(defaults)
    if path.exists():
        kept = read_json(path)
        if kept.get(DEFAULTS) != asked[DEFAULTS]:
            raise EvaluationError(
                f"{out} holds a comparison made under other defaults of the app (digest "
                f"{kept.get(DEFAULTS, 'not kept')}, now {asked[DEFAULTS]}): its jobs and new ones would not be "
                "alike. Give --out another folder, or go on with the pyproject.toml that it was made with"
            )
        if differs := sorted(k for k in asked.keys() | kept.keys() if asked.get(k) != kept.get(k)):
            shown = ", ".join(f"{k} ({kept.get(k)!r}, now {asked.get(k)!r})" for k in differs)
            raise EvaluationError(
                f"{out} holds a comparison of other settings: {shown}. Go on with the same, or give --out "
                "another folder"
            )
    elif out.exists() and (others := sorted(one.name for one in out.iterdir())):
        raise EvaluationError(
            f"{out} is no comparison and not empty (it holds {', '.join(others[:3])}): give --out a folder "
            "that is empty or does not exist"
        )
    else:
        write_json(path, asked)
