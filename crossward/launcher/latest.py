"""``python -m crossward.launcher.latest`` (``make test-latest``): the tests with the newest versions allowed.

An environment of its own, .venv-latest, is made anew and its packages are resolved from the ranges in pyproject.toml,
not taken from the lock. The report names the packages whose versions are not the locked ones, and what failed. Exit
code 0: all passed, and `make lock` can take these versions; 1: something failed; 2: the environment could not be made.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from crossward.launcher.install import TORCH, InstallError, make_venv, pip, python, say
from crossward.launcher.lock import BUILD, DOCS, EXTRA, canonical, differences, pins, read
from crossward.machine.text import one_line

VENV = ".venv-latest"
LONGEST = 160  # characters shown of why a test failed


def make(project: Path, torch: str) -> Path:
    """The environment's Python, with the newest packages that fit; PyTorch first, because a build may be asked for."""
    venv = project / VENV
    make_venv(venv)
    say(f"{torch}, then the newest versions that pyproject.toml allows (this takes some minutes)")
    pip(venv, *shlex.split(torch))
    pip(venv, "--upgrade", "--upgrade-strategy", "eager", "-r", BUILD, "-e", f".[{EXTRA}]")
    return python(venv)


def installed(executable: Path) -> dict[str, set[str]]:
    """Package -> version, without the name of a build ("+cpu"), of every package but pip and editable ones."""
    command = [str(executable), "-m", "pip", "--disable-pip-version-check", "list", "--exclude-editable"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True)
    if done.returncode:
        raise InstallError(f"`{shlex.join(command[1:])}` failed (exit code {done.returncode}):\n{done.stderr.strip()}")
    found = {canonical(one["name"]): {one["version"].partition("+")[0]} for one in json.loads(done.stdout)}
    return {name: version for name, version in found.items() if name != "pip"}


def changed(lock: str, newest: Mapping[str, set[str]]) -> list[str]:
    """A line for each package of ``newest`` or the text ``lock`` that is not in the other with that version.

    Locked packages that are for some platforms only may be missing in ``newest``.
    """
    everywhere = pins(lock, marked=False)
    old = {name: versions for name, versions in pins(lock).items() if name in newest or name in everywhere}
    for name, versions in newest.items():
        if versions <= old.get(name, set()):
            old[name] = versions  # the one of several that is for this Python
    return differences(old, newest)


def failures(report: Path) -> list[str]:
    """The tests that failed according to pytest's ``--junitxml``, each with the beginning of the reason."""
    if not report.exists():
        return ["pytest wrote no report; see above"]
    lines = []
    tree = ElementTree.parse(report)  # noqa: S314 - the tests that just ran wrote it
    for case in tree.iter("testcase"):
        for bad in (one for one in case if one.tag in ("failure", "error")):
            reason = one_line(bad.get("message") or "", LONGEST)
            lines.append(f"{case.get('classname')}::{case.get('name')}  {reason}")
    return lines


def run(executable: Path, project: Path, pytest: list[str]) -> list[str]:
    """What failed of ruff, mypy and pytest, a line each; empty when all passed."""
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        tools = {"ruff": ["check", "."], "mypy": [], "pytest": [*pytest, f"--junitxml={report}"]}
        for tool, args in tools.items():
            if code := subprocess.run([str(executable), "-m", tool, *args], cwd=project).returncode:
                failed.append(f"{tool}: exit code {code}")
        if failed and failed[-1].startswith("pytest"):
            failed += [f"  {line}" for line in failures(report)]
    return failed


def main(argv: list[str] | None = None) -> int:
    """Run the tests with the newest versions and print the report; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m crossward.launcher.latest", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--torch", default="", help=f"what pip installs as PyTorch, options too (default: {TORCH})")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    args = parser.parse_args(argv)
    project = Path(__file__).resolve().parents[2]
    try:
        executable = make(project, args.torch or TORCH)
        lines = changed(read(project, DOCS), installed(executable))
    except InstallError as error:
        print(f"test-latest: {error}", file=sys.stderr)
        return 2
    failed = run(executable, project, args.pytest)
    print(f"\ntest-latest: packages that differ from the lock: {len(lines)}", *lines, sep="\n  ")
    print("test-latest: " + ("these failed" if failed else "ruff, mypy and pytest passed"), *failed, sep="\n  ")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
