"""``python launcher/install.py``: makes .venv once, so that nothing is fetched or installed when it is up to date.

Up to date means: what pyproject.toml says about dependencies is what the last completed install read. Editing the
app's own configuration there installs nothing, and an interrupted install is done again. PyTorch comes first and
pinned, because a range may take a build of several gigabytes for another machine.

Standard library only, and it runs before anything is installed. Not for: what the app does.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

LOWEST, BELOW = (3, 11), (3, 13)
TORCH = "torch==2.13.0"
STAMP = "crossward-installed.json"


class InstallError(Exception):
    """Something is missing on this machine; the text says what to do."""


def supported(version: tuple[int, int]) -> bool:
    return LOWEST <= version < BELOW


def relevant(pyproject: str) -> dict[str, object]:
    """What decides which packages are installed, and from where this project's own are taken."""
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
    }


def fresh(stamp: Path, wanted: dict[str, object], extra: str, torch: str | None) -> bool:
    """Whether the last completed install read the same, had the extra, and the torch that is asked for (if any)."""
    try:
        found = json.loads(stamp.read_text("utf-8"))
        return bool(
            found["relevant"] == wanted and (not extra or extra in found["extras"]) and torch in (None, found["torch"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def works(python: Path) -> bool:
    """Whether a virtual environment is whole: its Python starts, is supported and has pip."""
    code = "import sys, pip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
        major, minor = done.stdout.split()
        return supported((int(major), int(minor)))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return False


def make_venv(venv: Path) -> None:
    say(f"creating {venv} with Python {sys.version_info[0]}.{sys.version_info[1]}")
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], capture_output=True, text=True)
    if done.returncode or not works(venv / "bin" / "python"):
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise InstallError(
            f"{sys.executable} cannot make a virtual environment in {venv}:\n{(done.stdout + done.stderr).strip()}\n"
            f"On Debian and Ubuntu: apt install python{version}-venv"
        )


def pip(venv: Path, *args: str) -> None:
    quiet = [] if sys.stdout.isatty() else ["-q"]
    # In the project's folder, so that "." names it whatever characters its path has.
    command = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", *quiet, *args]
    if code := subprocess.run(command, cwd=venv.parent).returncode:
        raise InstallError(
            f"`{shlex.join(command[1:])}` failed (exit code {code}); see above. Packages are fetched once, "
            "from the index that pip is configured for; run the same make command again to go on"
        )


def say(line: str) -> None:
    print(f"install: {line}", flush=True)


def install(project: Path, extra: str, torch: str | None) -> None:
    """Bring ``project``/.venv up to date; one install at a time."""
    venv = project / ".venv"
    stamp = venv / STAMP
    with (project / "pyproject.toml").open(encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        wanted = relevant(file.read())
        if fresh(stamp, wanted, extra, torch) and (venv / "bin" / "python").exists():
            return
        if not works(venv / "bin" / "python"):
            make_venv(venv)
        stamp.unlink(missing_ok=True)
        say(f"{torch or TORCH} (this happens once and can take some minutes)")
        pip(venv, *shlex.split(torch or TORCH))
        say("the project's dependencies")
        pip(venv, "-e", f".[{extra}]" if extra else ".")
        done = {"relevant": wanted, "extras": [extra] if extra else [], "torch": torch or TORCH}
        with tempfile.NamedTemporaryFile("w", dir=venv, delete=False, encoding="utf-8") as out:
            json.dump(done, out)
        Path(out.name).replace(stamp)
        say("done")


def main(argv: list[str] | None = None) -> int:
    if not supported(sys.version_info[:2]):
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"install: Python 3.11 or 3.12 is needed; {sys.executable} is {found}. Try make PYTHON=python3.11")
        return 2
    parser = argparse.ArgumentParser(prog="launcher/install.py", description="Make .venv and install into it once.")
    parser.add_argument("--dev", action="store_true", help="with the tools that tests need")
    parser.add_argument("--torch", help=f"what pip installs as PyTorch, options too (default: {TORCH})")
    args = parser.parse_args(argv)
    try:
        install(Path(__file__).resolve().parents[1], "dev" if args.dev else "", args.torch or None)
    except InstallError as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
