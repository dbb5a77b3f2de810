"""The environment of one launch: its own Flower home, ports and settings.

A launch shares nothing with another one or with a SuperLink the user runs: its own ``FLWR_HOME``, free ports, its
own Ray folder, and no Ray cluster that happens to be around. Nothing is installed, fetched or reported at run time.

Not for: the app's settings, which travel in the run config.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from crossward.internals.flower import port_variables
from crossward.launcher.errors import LauncherError
from crossward.machine.temporary import short_folder

# Ray puts sockets some 75 characters below its folder, and the kernel allows 107 (macOS 103).
_LONGEST_RAY_FOLDER = 28

SIMULATION = "flwr-simulation"
_SCRIPT = """#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
from crossward.launcher.simulation import main

main()
"""

QUIETLY = {
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ADDRESS": "local",
    "PYTHONUNBUFFERED": "1",
}
UNLESS_SET = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_ETAG_TIMEOUT": "5",
    "RAY_DEDUP_LOGS": "0",
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def make_home() -> Path:
    """A fresh folder for Flower's and Ray's state, short and plain enough for Ray where that is possible."""
    return short_folder("cw-", _LONGEST_RAY_FOLDER, lambda folder: not _spaced(folder))


def _spaced(path: Path) -> bool:
    return any(character.isspace() for character in str(path))


def scripts(home: Path) -> Path:
    """The folder of Flower's commands, as this launch has to call them.

    Ray starts its workers through a shell without quoting the interpreter's path. For an environment whose path has a
    space, ``home`` therefore gets a link to it and commands that go through the link.
    """
    found = Path(sys.executable).parent
    if not _spaced(found):
        return found
    link, made = home / "venv", home / "bin"
    if not made.exists():
        link.symlink_to(sys.prefix, target_is_directory=True)
        made.mkdir()
        for script in (*found.glob("flwr*"), *found.glob("flower-*")):
            wrapper = made / script.name
            wrapper.write_text(f'#!/bin/sh\nexec {link}/bin/python {link}/bin/{script.name} "$@"\n')
            wrapper.chmod(0o755)
    return made


def _simulation(home: Path) -> Path:
    """The folder of the command by which Flower starts a simulation: ours, to be found before Flower's own."""
    python = Path(sys.executable) if scripts(home) != home / "bin" else home / "venv" / "bin" / "python"
    script = home / "own" / SIMULATION
    script.parent.mkdir(exist_ok=True)
    # a shell starts Python: its path may be too long for the first line
    script.write_text(_SCRIPT.format(python=shlex.quote(str(python))), "utf-8")
    script.chmod(0o755)
    return script.parent


def environment(base: Mapping[str, str], home: Path, port: int, control_port: int, *, offline: bool) -> dict[str, str]:
    """``base`` with everything that isolates this launch."""
    own = {
        "FLWR_HOME": str(home),
        **port_variables(port, control_port),
        "RAY_TMPDIR": str(home),
        "PATH": os.pathsep.join([str(_simulation(home)), str(scripts(home)), base.get("PATH", os.defpath)]),
    }
    return UNLESS_SET | dict(base) | QUIETLY | (OFFLINE if offline else {}) | own


def command(name: str, home: Path) -> str:
    """The path of one of Flower's commands, from the environment that runs this launcher."""
    beside = scripts(home) / name
    if found := (str(beside) if beside.exists() else shutil.which(name)):
        return found
    raise LauncherError(f"{name} is not installed beside {sys.executable}; run `make install` and use its .venv")
