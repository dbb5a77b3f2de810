"""The lock: that the committed one is whole and fits the project's ranges, and how it is written; uv is not started."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from crossward.launcher import lock as locking
from crossward.launcher.install import DEV, RUN, TORCH, TORCH_PINS, InstallError, read_locks
from crossward.launcher.lock import (
    ACCELERATORS,
    BUILD,
    DOCS,
    HEADERS,
    blocks,
    canonical,
    differences,
    pins,
    renew,
    split,
)

ROOT = Path(__file__).resolve().parents[3]
LOCK = read_locks(ROOT) | {DOCS: (ROOT / DOCS).read_text("utf-8")}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
RANGES = PYPROJECT["project"]["dependencies"]
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
PYTHONS = ("3.11", "3.12")

HASH = "    --hash=sha256:" + "a" * 64
EVERYTHING = f"""\
flwr==1.41.0 \\
{HASH} \\
{HASH}
    # via crossward (pyproject.toml)
nvidia-cublas==13.1 ; sys_platform == 'linux' \\
{HASH}
    # via torch
pytest==9.2.0 \\
{HASH}
    # via crossward (pyproject.toml)
pyyaml==6.0.4 \\
{HASH}
    # via zensical
sympy==1.14.0 \\
{HASH}
    # via torch
torch==2.13.0 \\
{HASH}
triton==3.7.1 ; sys_platform == 'linux' \\
{HASH}
    # via torch
"""


def locked_for(python: str, *files: str) -> dict[str, str]:
    """Package -> version that the lock has for a Python on Linux without a GPU."""
    found = {}
    # no Python's own name in the environment: what marks it is its version
    environment = {"python_version": python, "python_full_version": f"{python}.4", "sys_platform": "linux"}
    for file in files:
        for line in re.findall(r"(?m)^[a-z0-9].*==.*$", LOCK[file]):
            pin, _, marker = line.rstrip("\\ ").partition(";")
            if not marker or Marker(marker).evaluate({**environment, "platform_machine": "x86_64"}):
                name, version = pin.strip().split("==")
                assert name not in found, f"{name} twice for Python {python}"
                found[name] = version
    return found


OLDER_ALONE = {"sf-heu"}  # has no build for 3.12: encrypted forward says so there


def unmet(requirements: Iterable[str], versions: dict[str, str], python: str = PYTHONS[0]) -> list[str]:
    found = []
    for text in requirements:
        one = Requirement(text)
        if one.marker is None or one.marker.evaluate({"extra": "", "python_version": python}):
            version = versions.get(canonical(one.name))
            if version is None or not one.specifier.contains(version, prereleases=True):
                found.append(f"{text}: {version}")
    return found


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_fits_the_ranges(python: str) -> None:
    torch = locked_for(python, TORCH_PINS)["torch"]
    assert f"torch=={torch}" == TORCH
    run = locked_for(python, RUN) | {"torch": torch}
    assert not unmet([*RANGES, *PYPROJECT["build-system"]["requires"]], run, python), (
        "pyproject.toml changed: `make lock`"
    )
    assert not unmet(EXTRAS["dev"], locked_for(python, RUN, DEV)), "pyproject.toml changed: `make lock`"
    assert not unmet(EXTRAS["docs"], locked_for(python, RUN, DOCS)), "pyproject.toml changed: `make lock`"


@pytest.mark.parametrize("file", [DEV, DOCS])
def test_both_pythons_have_the_same_versions(file: str) -> None:
    older, newer = locked_for("3.11", RUN, file), locked_for("3.12", RUN, file)
    assert {name: version for name, version in older.items() if name not in OLDER_ALONE} == newer


def test_every_locked_package_has_hashes_and_no_gpu_library_is_among_them() -> None:
    for file in (RUN, DEV, DOCS):
        found = blocks(LOCK[file])
        assert len(found) > 10
        for name, block in found.items():
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), name
            assert not ACCELERATORS.fullmatch(name), f"{name} would bring a build for another machine"
    assert not blocks(LOCK[RUN]).keys() & (blocks(LOCK[DEV]).keys() | blocks(LOCK[DOCS]).keys())
    assert all(ACCELERATORS.fullmatch(name) for name in blocks(LOCK[TORCH_PINS]))
    assert "--hash" not in LOCK[TORCH_PINS]


def test_no_file_of_the_lock_names_an_index_or_a_path() -> None:
    via = r"    #( via)?( {2,3}| )?(-r requirements/build\.in|[a-z0-9-]+( \(pyproject\.toml\))?)?"
    known = re.compile(rf"[a-z0-9-]+==[^\s/:]+( ;[^/:]+)?( \\)?|    --hash=sha256:[0-9a-f]{{64}}( \\)?|{via}")
    for name, text in LOCK.items():
        assert text.startswith(HEADERS[name])
        for line in text.removeprefix(HEADERS[name]).splitlines():
            assert known.fullmatch(line), f"{name}: {line}"


def test_what_the_installed_packages_ask_for_is_locked() -> None:
    """PyTorch's own Python packages too, and what hatchling needs to install the project in place."""
    python = ".".join(map(str, sys.version_info[:2]))
    versions = locked_for(python, RUN, DEV)
    needed = [one for one in metadata.requires("torch") or [] if "extra ==" not in one]
    needed = [one for one in needed if not ACCELERATORS.fullmatch(canonical(Requirement(one).name))]
    assert needed and not [one for one in needed if canonical(Requirement(one).name) not in versions]
    from hatchling.build import get_requires_for_build_editable

    assert not unmet(get_requires_for_build_editable(), versions)
    build = [line for line in (ROOT / BUILD).read_text("utf-8").splitlines() if not line.startswith("#")]
    assert set(PYPROJECT["build-system"]["requires"]) <= set(build)


def test_the_files_hold_what_runs_tests_and_docs_need_and_torch() -> None:
    run = ["flwr", "SymPy", "torch", "nvidia_cublas"]
    files = split(EVERYTHING, run, [*run, "pytest", "PyYAML"], [*run, "pyyaml"])
    assert files[RUN].startswith(HEADERS[RUN]) and list(blocks(files[RUN])) == ["flwr", "sympy"]
    assert files[RUN].count("--hash") == 3 and "# via crossward" in files[RUN]
    assert files[DEV].startswith(HEADERS[DEV]) and list(blocks(files[DEV])) == ["pytest", "pyyaml"]
    assert files[DOCS].startswith(HEADERS[DOCS]) and list(blocks(files[DOCS])) == ["pyyaml"]
    assert files[TORCH_PINS] == HEADERS[TORCH_PINS] + (
        "nvidia-cublas==13.1 ; sys_platform == 'linux'\ntorch==2.13.0\ntriton==3.7.1 ; sys_platform == 'linux'\n"
    )


@pytest.mark.parametrize(
    ("everything", "message"),
    [
        ("--index-url https://example.org/simple\n", "would name an index"),
        (f"flwr==1 \\\n{HASH}\n    # from https://example.org/simple\n", "would name an index"),
        (f"flwr==1 \\\n{HASH}\n    # via crossward (/home/a/pyproject.toml)\n", "path"),
        ("flwr==1\n    # via crossward\n", "no hash for flwr"),
        ("", "missing from the resolution of all extras: ['flwr']"),
    ],
)
def test_what_no_lock_may_hold_is_refused(everything: str, message: str) -> None:
    if everything.startswith("--"):
        everything = f"flwr==1 \\\n{HASH}\n{everything}"
    with pytest.raises(InstallError, match=re.escape(message)):
        split(everything, ["flwr"], ["flwr"], ["flwr"])


def test_pins_and_their_differences() -> None:
    text = "A_b==1 \\\nc==2 ; python_version < '3.12' \\\nc==3 ; python_version >= '3.12' \\\n    # via x==9\n"
    assert pins(text) == {"a-b": {"1"}, "c": {"2", "3"}} and pins(text, marked=False) == {"a-b": {"1"}}
    lines = differences(pins(text), {"a-b": {"1"}, "c": {"4"}, "d": {"5"}})
    assert [line.split() for line in lines] == [["c", "2", "or", "3", "->", "4"], ["d", "-", "->", "5"]]


def test_a_renewal_writes_the_files_and_names_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, ...]] = []

    def compiled(uv: Path, project: Path, out: Path, *options: str) -> str:
        asked.append(options)
        dropped = {"dev": "pyyaml==6.0.4", "docs": "pytest==9.2.0", "": "p"}[options[1] if len(options) == 2 else ""]
        return EVERYTHING if len(options) > 2 else re.sub(rf"(?m)^(?={dropped})", "# ", EVERYTHING)

    monkeypatch.setattr(locking, "make_venv", lambda venv: None)
    monkeypatch.setattr(locking, "pip", lambda venv, *args, cwd: None)
    monkeypatch.setattr(locking, "compile_", compiled)
    (tmp_path / RUN).parent.mkdir()
    renew(tmp_path)
    assert asked == [("--extra", "dev", "--extra", "docs"), (), ("--extra", "dev"), ("--extra", "docs")]
    assert list(blocks((tmp_path / RUN).read_text())) == ["flwr", "sympy"]
    assert list(blocks((tmp_path / DEV).read_text())) == ["pytest"]
    assert list(blocks((tmp_path / DOCS).read_text())) == ["pyyaml"]
    assert "pytest" in capsys.readouterr().out
    (tmp_path / RUN).write_text((tmp_path / RUN).read_text().replace("flwr==1.41.0", "flwr==1.40.0"))
    renew(tmp_path)
    output = capsys.readouterr().out.splitlines()
    assert output[-1].split() == ["flwr", "1.40.0", "->", "1.41.0"]
    renew(tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == "The lock was up to date."


def test_a_failed_resolution_leaves_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locking, "make_venv", lambda venv: None)
    monkeypatch.setattr(locking, "pip", lambda venv, *args, cwd: None)
    failing = tmp_path / "bin" / "uv"
    failing.parent.mkdir()
    failing.write_text("#!/bin/sh\necho 'no solution found' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(locking, "python", lambda venv: failing.with_name("python"))
    (tmp_path / RUN).parent.mkdir()
    (tmp_path / RUN).write_text("flwr==1")
    with pytest.raises(InstallError, match=r"uv could not resolve pyproject.toml \(exit code 1\)"):
        renew(tmp_path)
    assert (tmp_path / RUN).read_text() == "flwr==1" and "no solution found" in capfd.readouterr().err


def test_the_lock_can_be_read_without_what_only_the_documentation_needs() -> None:
    whole, tests = locking.pins(locking.read(ROOT)), locking.pins(locking.read(ROOT, locking.DOCS))
    assert "zensical" in whole and "zensical" not in tests
    assert {"flwr", "pytest"} <= set(tests)
