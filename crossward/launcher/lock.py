"""``python -m crossward.launcher.lock`` (``make lock``): writes requirements/*.txt from pyproject.toml's ranges.

``run.txt``, and ``dev.txt`` and ``docs.txt`` with what `make test` and `make docs` need besides, name every package
with its version and the hashes of all its files, the same versions for every supported Python and platform.
``torch.txt`` holds the versions of PyTorch and of the GPU libraries that some of its builds ask for: which build is
right depends on the machine, so these have no hashes, and nothing in the other files installs them.

uv resolves; it is installed into a throwaway environment and asks PyPI, or what UV_DEFAULT_INDEX names. No file holds
the address of an index. Standard library only, like ``crossward.launcher.install``, which reads the lock.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from crossward.launcher.install import DEV, LOWEST, RUN, TORCH_PINS, InstallError, make_venv, pip, python, say

BUILD = "requirements/build.in"
EXTRA = "dev"
DOCS = "requirements/docs.txt"
# PyTorch and what only its CUDA and ROCm builds ask for.
ACCELERATORS = re.compile(r"(torch|triton|pytorch-triton(-.+)?|nvidia-.+|cuda-.+)")
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
HEADERS = {
    RUN: "# What `make run` needs. Written by `make lock`; PyTorch is in torch.txt.\n",
    DEV: "# What `make test` needs besides. Written by `make lock`.\n-r run.txt\n",
    DOCS: "# What `make docs` needs besides run.txt. Written by `make lock`.\n",
    TORCH_PINS: "# PyTorch's default build and its GPU libraries, as constraints. Written by `make lock`.\n",
}


def canonical(name: str) -> str:
    """A package's name as indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def blocks(text: str) -> dict[str, str]:
    """Every package of a compiled file with its lines: the pin, the hashes, who asked for it."""
    found: dict[str, str] = {}
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", text):
        if pin := PIN.match(block):
            name = canonical(pin[1])
            found[name] = found.get(name, "") + block.rstrip("\n") + "\n"
    return found


def pins(text: str, marked: bool = True) -> dict[str, set[str]]:
    """Package -> locked versions, more than one only where markers choose; ``marked``: with those that have markers."""
    found: dict[str, set[str]] = {}
    for pin in re.finditer(rf"(?m)^{PIN.pattern}\s*(;)?", text):
        if marked or not pin[3]:
            found.setdefault(canonical(pin[1]), set()).add(pin[2])
    return found


def read(project: Path, *without: str) -> str:
    """The lock of ``project`` as one text, but for the files ``without``; empty without one."""
    files = [project / name for name in HEADERS if name not in without]
    return "\n".join(file.read_text("utf-8") for file in files if file.exists())


def differences(old: Mapping[str, Iterable[str]], new: Mapping[str, Iterable[str]]) -> list[str]:
    """One line for each package whose versions are not the same in ``old`` and ``new``."""
    lines = []
    for name in sorted({*old, *new}):
        before, after = (" or ".join(sorted(one.get(name, ()))) or "-" for one in (old, new))
        if before != after:
            lines.append(f"{name:26} {before:>18} -> {after}")
    return lines


def split(everything: str, run: Iterable[str], dev: Iterable[str], docs: Iterable[str]) -> dict[str, str]:
    """The lock's files, by path, from the compiled text of all packages and the names of those that each purpose needs.

    A package that tests and docs share is in both files, since either is installed without the other.
    """
    found, wanted = blocks(everything), {canonical(name) for name in run}
    besides = {DEV: {canonical(name) for name in dev} - wanted, DOCS: {canonical(name) for name in docs} - wanted}
    if missing := wanted.union(*besides.values()) - found.keys():
        raise InstallError(f"packages missing from the resolution of all extras: {sorted(missing)}; see requirements/")
    files = dict(HEADERS)
    for name, block in found.items():
        if ACCELERATORS.fullmatch(name):
            files[TORCH_PINS] += "".join(
                line.removesuffix("\\").rstrip() + "\n" for line in block.splitlines() if PIN.match(line)
            )
        elif "--hash=sha256:" not in block:
            raise InstallError(f"no hash for {name}: it does not come from an index")
        else:
            for path in [RUN] if name in wanted else [path for path, names in besides.items() if name in names]:
                files[path] += block
    for path, text in files.items():
        if line := re.search(r"(?m)^.*(://|--(?!hash=)|file:|\(/).*$", text):
            raise InstallError(f"{path} would name an index, an option or a path: {line[0].strip()!r}")
    return files


def compile_(uv: Path, project: Path, out: Path, *options: str) -> str:
    """What uv resolves the project's ranges to; versions that ``out`` already has are kept where possible."""
    command = [str(uv), "pip", "compile", "pyproject.toml", BUILD, "--universal", "--generate-hashes", *options]
    command += ["--python-version", ".".join(map(str, LOWEST)), "--python", sys.executable]
    # One version of a package for every Python, so that both give the same results.
    command += ["--fork-strategy", "fewest", "--no-header", "--quiet", "--output-file", str(out)]
    if code := subprocess.run(command, cwd=project).returncode:
        raise InstallError(f"uv could not resolve pyproject.toml (exit code {code}); see above. The lock is as it was")
    return out.read_text("utf-8")


def renew(project: Path) -> None:
    """Write the lock of ``project`` anew with the newest versions that its ranges allow."""
    before = pins(read(project))
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "uv"
        make_venv(venv)
        pip(venv, "uv", cwd=project)
        say("resolving")
        out, uv = Path(folder) / "compiled.txt", python(venv).with_name("uv")
        everything = compile_(uv, project, out, "--extra", EXTRA, "--extra", "docs")
        parts = []
        for extra in ((), ("--extra", EXTRA), ("--extra", "docs")):
            out.write_text(everything, "utf-8")  # whose versions are kept
            parts.append(blocks(compile_(uv, project, out, *extra)))
    for path, text in split(everything, *parts).items():
        (project / path).write_text(text, "utf-8")
    changed = differences(before, pins(read(project)))
    print("\n".join(changed) if changed else "The lock was up to date.")


def main() -> int:
    """Write the lock files; the exit code."""
    try:
        renew(Path(__file__).resolve().parents[2])
    except InstallError as error:
        print(f"lock: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
