"""The project's own Python files: an environment beside them has ten thousand others, which nobody looks through.

Not for: the modules of rooms (``tests/test_imports.py``).
"""

from __future__ import annotations

import os
from pathlib import Path

BUILT = ("__pycache__", "runs", "build", "dist")


def python_files(root: Path) -> list[Path]:
    """Every Python file below ``root``, in order, but those in hidden folders and in what was built or run."""
    found = []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not name.startswith(".") and name not in BUILT]
        found += [Path(folder, name) for name in files if name.endswith(".py") and not name.startswith(".")]
    return sorted(found)
