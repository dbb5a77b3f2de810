"""``python -m crossward.launcher.install``: makes .venv, and does nothing when it is up to date.

Up to date means: what pyproject.toml says about dependencies, and the lock, are what the last completed install read.
Editing the app's own configuration there installs nothing, and an interrupted install is done again.

Every package comes from the lock (``requirements/``, see ``crossward.launcher.lock``), and pip refuses a file whose
hash is not in it. PyTorch is the exception: a step of its own, with a version and no hash, because which of its builds
is right depends on the machine. By then the lock has brought what PyTorch needs, so that it brings its GPU libraries
alone.

Standard library only, like all that it imports: it runs before anything is installed. Not for: what the app does.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import shlex
import subprocess
import sys
from pathlib import Path

from crossward.machine.files import write_atomic

LOWEST, BELOW = (3, 11), (3, 13)
TORCH = "torch==2.13.0"
STAMP = "crossward-installed.json"
RUN, DEV = "requirements/run.txt", "requirements/dev.txt"  # the second includes the first
TORCH_PINS = "requirements/torch.txt"


class InstallError(Exception):
    """Something is missing on this machine; the text says what to do."""


def supported(version: tuple[int, int]) -> bool:
    """Whether a Python (major, minor) is one that Crossward runs on."""
    return LOWEST <= version < BELOW


def python(venv: Path) -> Path:
    """The interpreter of an environment."""
    return venv / "bin" / "python"


def relevant(pyproject: str, locks: dict[str, str]) -> dict[str, object]:
    """What decides which packages are installed, and from where this project's own are taken.

    ``locks``: the lock's files, by name.
    """
    import tomllib

    content = tomllib.loads(pyproject)
    project = content["project"]
    return {
        "build": content.get("build-system"),
        "hatch": content.get("tool", {}).get("hatch"),
        "name": project["name"],
        "python": project.get("requires-python"),
        "dependencies": project.get("dependencies"),
        "extras": project.get("optional-dependencies"),
        "scripts": project.get("scripts"),
        "locks": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in locks.items()},
    }


def read_locks(project: Path) -> dict[str, str]:
    """Lock file name to its text; InstallError when one cannot be read."""
    try:
        return {name: (project / name).read_text("utf-8") for name in (RUN, DEV, TORCH_PINS)}
    except (OSError, ValueError) as error:
        raise InstallError(
            f"the lock cannot be read: {error}. It is part of the repository: restore it, or write it with `make lock`"
        ) from error


def fresh(stamp: Path, wanted: dict[str, object], extra: str, torch: str | None) -> bool:
    """Whether the last completed install read the same, had the extra, and the torch that is asked for (if any)."""
    try:
        found = json.loads(stamp.read_text("utf-8"))
        return bool(
            found["relevant"] == wanted
            and (not extra or extra in found["extras"])
            and torch in (None, found["torch"] or TORCH)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def chosen(stamp: Path) -> str | None:
    """What an earlier install was asked to take as PyTorch; None: nothing else than ``TORCH``."""
    try:
        torch = json.loads(stamp.read_text("utf-8"))["torch"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return torch if isinstance(torch, str) and torch != TORCH else None


def write_stamp(stamp: Path, content: dict[str, object]) -> None:
    """Replace the stamp of the last completed install in one step."""
    write_atomic(stamp, json.dumps(content), durable=False, private=True)


def works(executable: Path) -> bool:
    """Whether a virtual environment is whole: its Python starts, is supported and has pip."""
    code = "import sys, pip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([str(executable), "-c", code], capture_output=True, text=True, check=True)
        major, minor = done.stdout.split()
        return supported((int(major), int(minor)))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return False


def make_venv(venv: Path) -> None:
    """A new environment in place of what is in ``venv``; InstallError says which package is missing."""
    say(f"creating {venv} with Python {sys.version_info[0]}.{sys.version_info[1]}")
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], capture_output=True, text=True)
    if done.returncode or not works(python(venv)):
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise InstallError(
            f"{sys.executable} cannot make a virtual environment in {venv}:\n{(done.stdout + done.stderr).strip()}\n"
            f"On Debian and Ubuntu: apt install python{version}-venv"
        )


def pip(venv: Path, *args: str, cwd: Path | None = None) -> None:
    """Run ``pip install`` with ``args`` in the environment; InstallError when it fails."""
    quiet = [] if sys.stdout.isatty() else ["-q"]
    # In the project's folder, so that "." names it whatever characters its path has.
    command = [str(python(venv)), "-m", "pip", "--disable-pip-version-check", "install", *quiet, *args]
    if code := subprocess.run(command, cwd=cwd or venv.parent).returncode:
        raise InstallError(
            f"`{shlex.join(command[1:])}` failed (exit code {code}); see above. Packages are fetched once, "
            "from the index that pip is configured for; run the same make command again to continue"
        )


def remove_torch(venv: Path) -> None:
    """Removes PyTorch: pip takes "torch==2.13.0" as installed whichever build it is."""
    command = [str(python(venv)), "-m", "pip", "uninstall", "-q", "--yes", "torch"]
    subprocess.run(command, capture_output=True)


def check(venv: Path) -> None:
    """Report packages that do not fit together: a PyTorch of the user's choice may, or packages added by hand."""
    done = subprocess.run([str(python(venv)), "-m", "pip", "check"], capture_output=True, text=True)
    for line in done.stdout.splitlines() if done.returncode else ():
        say(f"warning: {line}")
    if done.returncode:
        say("warning: `make clean` and the same command rebuild .venv")


def say(line: str) -> None:
    """Print a line of the installer's."""
    print(f"install: {line}", flush=True)


def install(project: Path, extra: str, torch: str | None) -> None:
    """Bring ``project``/.venv up to date; one install at a time."""
    venv = project / ".venv"
    stamp = venv / STAMP
    with (project / "pyproject.toml").open(encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        wanted = relevant(file.read(), read_locks(project))
        if fresh(stamp, wanted, extra, torch) and python(venv).exists():
            return
        before = chosen(stamp)
        kept = torch or before or TORCH
        if not works(python(venv)):
            make_venv(venv)
        elif kept != (before or TORCH):
            remove_torch(venv)
        torch = None if kept == TORCH else kept
        write_stamp(stamp, {"torch": torch})  # not fresh, and remembers the choice if this is interrupted
        say("the locked packages (this happens once and can take some minutes)")
        pip(venv, "--no-deps", "--require-hashes", "-r", DEV if extra else RUN)
        say(kept)
        pip(venv, *(shlex.split(torch) if torch else ("-c", TORCH_PINS, TORCH)))
        pip(venv, "--no-deps", "--no-build-isolation", "-e", ".")
        check(venv)
        write_stamp(stamp, {"relevant": wanted, "extras": [extra] if extra else [], "torch": torch})
        say("done")


def main(argv: list[str] | None = None) -> int:
    """Install what is asked for; the exit code."""
    if not supported(sys.version_info[:2]):
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"install: Python 3.11 or 3.12 is needed; {sys.executable} is {found}. Try make PYTHON=python3.11")
        return 2
    parser = argparse.ArgumentParser(
        prog="python -m crossward.launcher.install", description="Make .venv and install into it once."
    )
    parser.add_argument("--dev", action="store_true", help="with the tools that tests need")
    parser.add_argument(
        "--torch", help=f"what pip installs as PyTorch, options too (default: the last choice, {TORCH} at first)"
    )
    args = parser.parse_args(argv)
    try:
        install(Path(__file__).resolve().parents[2], "dev" if args.dev else "", args.torch or None)
    except InstallError as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
