"""The report of ``make test-latest``: which versions are new, what failed, and its exit codes; nothing is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crossward.launcher import latest
from crossward.launcher.install import TORCH, InstallError
from crossward.launcher.latest import changed, failures, installed, main, run

ROOT = Path(__file__).resolve().parents[3]
LOCK = """\
flwr==1.41.0 \\
numpy==2.4.6 ; python_version < '3.12' \\
numpy==2.5.0 ; python_version >= '3.12' \\
colorama==0.4.6 ; sys_platform == 'win32' \\
sympy==1.14.0 \\
torch==2.13.0
"""


def test_only_what_differs_on_this_machine_is_named() -> None:
    same = {"flwr": {"1.41.0"}, "numpy": {"2.5.0"}, "sympy": {"1.14.0"}, "torch": {"2.13.0"}}
    assert changed(LOCK, same) == []
    other = {"flwr": {"1.41.1"}, "numpy": {"2.6.0"}, "torch": {"2.13.0"}, "added": {"1"}}
    assert [line.split() for line in changed(LOCK, other)] == [
        ["added", "-", "->", "1"],
        ["flwr", "1.41.0", "->", "1.41.1"],
        ["numpy", "2.4.6", "or", "2.5.0", "->", "2.6.0"],
        ["sympy", "1.14.0", "->", "-"],
    ]


def test_installed_packages_have_the_names_and_versions_of_the_lock() -> None:
    found = installed(Path(sys.executable))
    assert found["pytest"] == {pytest.__version__} and "huggingface-hub" in found
    assert not any("+" in version for versions in found.values() for version in versions)
    assert not {"pip", "crossward"} & found.keys()


def test_failed_tests_are_named_with_their_reasons(tmp_path: Path) -> None:
    """From a report that pytest itself writes."""
    (tmp_path / "test_new.py").write_text(
        "import warnings, pytest\n"
        "def test_passes(): pass\n"
        "def test_warns(): warnings.warn('`old` is deprecated', FutureWarning)\n"
        "@pytest.fixture\n"
        "def broken(): raise OSError('no such thing')\n"
        "def test_errors(broken): pass\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "."]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1
    warned, errored = failures(report)
    assert warned.startswith("test_new::test_warns  FutureWarning: `old` is deprecated")
    assert errored.startswith("test_new::test_errors  ") and "no such thing" in errored
    assert failures(tmp_path / "none.xml") == ["pytest wrote no report; see above"]


@pytest.mark.parametrize("codes", [{}, {"ruff": 1}, {"mypy": 2, "pytest": 1}])
def test_each_tool_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: dict[str, int]) -> None:
    asked: list[list[str]] = []

    def add_simulated_speed(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        asked.append(command[2:])
        if command[2] == "pytest":
            case = '<testcase classname="a" name="b"><failure message="why"/></testcase>' if "pytest" in codes else ""
            Path(command[-1].partition("=")[2]).write_text(f"<testsuites>{case}</testsuites>")
        return subprocess.CompletedProcess(command, codes.get(command[2], 0))

    monkeypatch.setattr(subprocess, "run", add_simulated_speed)
    failed = run(Path("python"), tmp_path, ["-k", "one or two"])
    assert [args[:-1] for args in asked] == [["ruff", "check"], [], ["pytest", "-k", "one or two"]]
    expected = [f"{tool}: exit code {code}" for tool, code in codes.items()]
    assert failed == ([*expected, "  a::b  why"] if "pytest" in codes else expected)


@pytest.mark.parametrize("failed", [[], ["pytest: exit code 1", "  a::b  why"]])
def test_the_report_and_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failed: list[str]
) -> None:
    torches: list[str] = []

    def make(project: Path, torch: str) -> Path:
        torches.append(torch)
        return Path("python")

    monkeypatch.setattr(latest, "make", make)
    monkeypatch.setattr(latest, "installed", lambda executable: {"flwr": {"9.9"}})
    monkeypatch.setattr(latest, "read", lambda project, *without: "flwr==1.41.0\n")
    monkeypatch.setattr(latest, "run", lambda executable, project, pytest: failed)
    assert main(["--torch", "", "--", "-n", "3"]) == (1 if failed else 0)
    output = capsys.readouterr().out
    assert "packages that differ from the lock: 1" in output and "1.41.0 -> 9.9" in output
    assert ("a::b  why" in output) == bool(failed) and ("pytest passed" in output) != bool(failed)
    assert main(["--torch", "torch --index-url x", "--"]) in (0, 1) and torches == [TORCH, "torch --index-url x"]


def test_an_environment_that_cannot_be_made_is_no_failed_test(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(project: Path, torch: str) -> Path:
        raise InstallError("no network")

    monkeypatch.setattr(latest, "make", broken)
    assert main([]) == 2 and "test-latest: no network" in capsys.readouterr().err


def test_make_runs_both_from_the_projects_folder_and_hands_on_what_pytest_is_given() -> None:
    command = ["make", "-n", "-C", str(ROOT), "lock", "test-latest", f"PYTHON={sys.executable}"]
    done = subprocess.run([*command, "PYTEST_ARGS=-k 'one or two'"], capture_output=True, text=True, check=True)
    assert '"$python" -m crossward.launcher.lock\n' in done.stdout
    assert (
        "--dist loadfile --no-loadscope-reorder -k 'one or two'\n"
        in done.stdout.partition("-m crossward.launcher.latest")[2]
    )
    assert "install.py" not in done.stdout  # neither needs .venv


def test_no_bundle_no_image_and_no_commit_takes_the_environment_along() -> None:
    for name in (".gitignore", ".dockerignore"):  # Flower's bundle leaves out what git ignores
        assert {latest.VENV, f"{latest.VENV}/"} & {*(ROOT / name).read_text("utf-8").splitlines()}, name


def test_the_environment_is_another_one_made_of_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, tuple[str, ...]]] = []
    monkeypatch.setattr(latest, "make_venv", lambda venv: asked.append((venv, ())))
    monkeypatch.setattr(latest, "pip", lambda venv, *args: asked.append((venv, args)))
    venv = tmp_path / ".venv-latest"
    assert latest.make(tmp_path, "torch==2 --index-url x") == venv / "bin" / "python"
    assert [one for one, _ in asked] == [venv] * 3
    made, torch, rest = (args for _, args in asked)
    assert made == () and torch == ("torch==2", "--index-url", "x")
    assert rest[-2:] == ("-e", ".[dev]") and "--index-url" not in rest and not {"-c", "--require-hashes"} & {*rest}
