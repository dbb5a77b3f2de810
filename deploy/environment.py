"""What Flower's long-running processes are started with: nothing installed, fetched or reported at run time.

Not for: a simulation's environment (``launcher.environment``), whose constants these are.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from launcher.environment import QUIETLY, UNLESS_SET


def environment(home: Path) -> dict[str, str]:
    """This process's environment with Flower's state in ``home`` and this installation's commands first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return UNLESS_SET | dict(os.environ) | QUIETLY | {"FLWR_HOME": str(home), "PATH": path}
