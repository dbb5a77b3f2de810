"""The command as a whole: help that fits a screen, imports that it does without, errors of one line, exit codes."""

from __future__ import annotations

import ast
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from crossward.cli import common
from crossward.cli.app import build, main
from tests.test_imports import HOLDERS, SAMPLERS

ROOT = Path(__file__).resolve().parents[3]
LINES, COLUMNS = 40, 100
WANTED = {
    *("run", "resume", "evaluate", "export", "watch", "report", "ledger", "keys", "members", "deploy", "data", "bases"),
    *("compare", "attack", "settings", "personalise", "predict"),
}


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group, with the words that lead to it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            yield from commands(one, (*path, name))


ALL = dict(commands(build()))


def process(*args: str, code: str = "", cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    words = ["-c", code] if code else ["-m", "crossward"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(
        [sys.executable, "-P", *words, *args], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


# ---------------------------------------------------------------------- help


def test_every_command_that_is_promised_exists() -> None:
    assert {path[0] for path in ALL if path} == WANTED
    assert {path[1] for path in ALL if path[:1] == ("ledger",) and len(path) == 2} == {"verify", "show"}
    assert {path[1] for path in ALL if path[:1] == ("data",) and len(path) == 2} == {
        "make",
        "check",
        "parties",
        "profile",
    }


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_fits_a_screen_and_has_an_example(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", COLUMNS)
    assert main([*path, "--help"]) == 0
    output = capsys.readouterr().out.splitlines()
    assert max(map(len, output)) <= COLUMNS and len(output) <= LINES, len(output)
    text = " ".join(" ".join(output).split())
    if not isinstance(ALL[path], click.Group) or not path:
        assert f"Example: {' '.join(['crossward', *path])}" in text
    for parameter in ALL[path].params:
        assert isinstance(parameter, click.Option | click.Argument)
        assert parameter.help, f"{parameter.name} has no meaning"


@pytest.mark.parametrize("path", [path for path, one in ALL.items() if not isinstance(one, click.Group)], ids=" ".join)
def test_examples_are_commands_that_there_are(path: tuple[str, ...]) -> None:
    import shlex

    found = re.search(r"Example: \[bold\](.+)\[/bold\]", ALL[path].epilog or "")
    assert found is not None
    words = shlex.split(found[1])[1:]
    assert tuple(words[: len(path)]) == path
    ALL[path].make_context(path[-1], words[len(path) :])  # raises for an option that there is not


def test_the_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "Exit codes: 0 done; 1 failed" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None and main(["--version"]) == 0
    assert capsys.readouterr().out == f"crossward {version[1]}\n"


def test_shells_get_completion() -> None:
    done = process(
        COMP_WORDS=" ".join(["crossward", "ledger", "ve"]), COMP_CWORD="2", _CROSSWARD_COMPLETE="complete_bash"
    )
    assert done.stdout.split() == ["verify"], done.stderr


# ---------------------------------------------------------------------- imports

LOADED = """
import sys
from crossward.cli.app import main
code = main(sys.argv[1:])
print(*sorted(sys.modules), sep="\\n", file=sys.stderr)
"""


def loaded(*args: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    return set(process(*args, code=LOADED).stderr.splitlines())


def test_help_imports_neither_torch_nor_flower() -> None:
    found = loaded("--help")
    assert "crossward.cli.deploy" in found
    heavy = {"torch", "flwr", "numpy", "transformers", "pyarrow", "matplotlib", "cryptography", "tenseal", "ray"}
    assert not heavy & found
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert process("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.5  # seconds of computing: what it takes by the clock depends on who else computes


def test_commands_import_what_they_need_when_they_run() -> None:
    """At the top of its modules: the standard library, typer, and paths. This is what keeps the parties apart."""
    for path in (ROOT / "crossward" / "cli").glob("*.py"):
        tops = []
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                tops.append(node.module or "")
            elif isinstance(node, ast.Import):
                tops += [one.name for one in node.names]
        if path.stem.endswith("_lines"):
            continue  # imported by one command alone
        for name in tops:
            ours = name.split(".")[0] in {"crossward", "client_app", "server_app", "strategies", "data", "research"}
            assert not ours or name.startswith(("crossward.cli", "crossward.machine")), f"{path.name}: {name}"
            assert ours or name.split(".")[0] in {*sys.stdlib_module_names, "click", "typer"}, f"{path.name}: {name}"


@pytest.fixture
def aggregator(tmp_path: Path) -> Path:
    folder = tmp_path / "aggregator"
    assert main(["deploy", "init-aggregator", str(folder), "--address", "hub.example.org:443"]) == 0
    return folder / "aggregator.toml"


def test_what_an_aggregator_starts_imports_no_key_and_no_model(
    aggregator: Path, story: Callable[..., Any], tmp_path: Path
) -> None:
    recorded = story()
    recorded.full_run(4, 3)
    recorded.ledger.close()
    run, nowhere = str(recorded.path), str(tmp_path / "none.toml")
    for args in (
        ("deploy", "init-aggregator", str(tmp_path / "another"), "--address", "hub.example.org:443"),
        ("deploy", "renew", str(aggregator)),
        ("deploy", "aggregator", nowhere),
        ("deploy", "check", str(aggregator)),
        ("deploy", "health", str(aggregator)),
        ("deploy", "run", str(aggregator), "--run-config", "run.folder=" + run),
        ("watch", run, "--once"),
        ("report", run),
        ("ledger", "verify", run),
        ("ledger", "show", run),
    ):
        found = loaded(*args)
        assert "crossward.cli.app" in found, args
        secret = {name for name in found if name in HOLDERS | SAMPLERS or name in ("torch", "client_app.node")}
        assert not secret, f"{args[:2]}: {sorted(secret)[:5]}"


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["dance"], 2, "No such command 'dance'"),
        (["run", "--num-supernodes", "0"], 2, "0 is not in the range"),
        (["run", "--run-config", "strategy.num-version=3"], 2, "did you mean strategy.num-versions"),
        (["run", "--run-config", "strategy.num-versions=-3"], 2, "strategy.num-versions"),
        (["run", "--callback", "nowhere:Thing"], 2, "callback 'nowhere:Thing' cannot be imported"),
        (["resume", "NOWHERE"], 2, "holds no run"),
        (["evaluate", "NOWHERE"], 1, "is not a run folder"),
        (["export", "NOWHERE", "--out", "x"], 1, "is not a run folder"),
        (["export", "NOWHERE"], 2, "Missing option '--out'"),
        (["watch", "NOWHERE"], 1, "is no run folder"),
        (["watch", "NOWHERE", "--serve"], 1, "is no run folder"),
        (["watch", "NOWHERE", "--port", "8080"], 2, "--port needs --serve"),
        (["watch", "NOWHERE", "--serve", "--once"], 2, "cannot be combined"),
        (["report", "NOWHERE"], 1, "is not a run folder"),
        (["ledger", "verify", "NOWHERE"], 1, "does not exist: name a run's folder"),
        (["ledger", "show", "NOWHERE"], 1, "does not exist: name a run's folder"),
        (["keys", "show", "NOWHERE"], 1, "no key file"),
        (["deploy", "check"], 2, "Missing argument"),
        (["deploy", "aggregator", "NOWHERE"], 1, "NOWHERE"),
        (["data", "check", "NOWHERE", "--run-config", "data.source=csv"], 1, "no such file or folder"),
        (["data", "check", "NOWHERE"], 2, "data.source is not set"),
        (["data", "make", "--out", "x", "--hospitals", "99"], 2, "there are 1 to"),
        (["bases", "--out", "x", "--rank", "0"], 2, "lora.rank = 0"),
        (["settings", "strategy.bufer-size"], 2, "did you mean strategy.buffer-size"),
        (["settings", "strategy.loss-exponent"], 2, "is now part of strategy.exponents"),
        (["ledger", "show", "NOWHERE", "--task", "3"], 1, "NOWHERE does not exist: name a run's folder"),
        (["settings", "strategy.buffer-size", "--no-such"], 2, "No such option"),
        (["compare", "--methods", "magic"], 2, "there is no method 'magic'"),
        (["attack", "--only", "magic"], 2, "there is no attack 'magic'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_is_one_line_that_names_the_command(
    args: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    assert main(args) == code
    output = capsys.readouterr().err
    assert says in output and output.startswith("crossward") and output.count("\n") == 1
    assert "Traceback" not in output


def test_research_needs_a_checkout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["compare"]) == main(["attack"]) == 2
    assert capsys.readouterr().err.count("run this in a checkout") == 2


def test_ctrl_c_ends_with_130_and_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("crossward.launcher.settings_table.run_config_rows", interrupted)
    assert main(["settings"]) == 130
    assert capsys.readouterr().err.strip() == ""


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise AssertionError("a fault")

    monkeypatch.setattr("crossward.launcher.settings_table.run_config_rows", broken)
    with pytest.raises(AssertionError, match="a fault"):
        main(["settings"])


def test_paths_are_the_callers_and_a_home_directory_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "ada"))
    assert common.PATH.convert("x", None, None) == tmp_path / "x"
    assert common.PATH.convert("~/x", None, None) == tmp_path / "ada" / "x"
    assert main(["report", ""]) == 2 and "an empty path" in capsys.readouterr().err
    assert main(["report", "~nobody-of-that-name/x"]) == 2 and "is not known" in capsys.readouterr().err


def test_a_file_in_the_working_directory_does_not_stand_in_for_a_package(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text("raise SystemExit('a file of the caller')")
    done = process("data", "check", "--json", cwd=tmp_path, CROSSWARD_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["hospitals"]) == 4
