"""Options, federation size, environment, verdict and processes: everything short of starting Flower."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from crossward.cli.app import main
from crossward.config.scenarios import HORIZONTAL
from crossward.launcher.control import reason
from crossward.launcher.environment import command, environment, make_home
from crossward.launcher.errors import LauncherError
from crossward.launcher.flower import Flower, tail
from crossward.launcher.launch import Launch, _command, renewed, run_name, stamp
from crossward.launcher.options import Options, clients_at_once, federation
from crossward.launcher.processes import ProcessTree
from crossward.launcher.scenarios import LAUNCHES
from crossward.launcher.watch import Ending

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = Options(app=Path("/app"), runs_dir=Path("/runs"))


def test_options_become_absolute_and_default_to_this_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[Options] = []
    monkeypatch.setattr("crossward.cli.run.launch", lambda wanted: asked.append(wanted) or 7)

    def options(words: list[str]) -> Options:
        assert main(["run", *words]) == 7
        return asked[-1]

    found = options(["--app", "x", "--run-config", "a=1", "--run-config", "b=2", "--gpus-per-client", "0.5"])
    assert (found.app, found.runs_dir) == (tmp_path / "x", tmp_path / "x" / "runs")
    assert (found.run_config, found.gpus_per_client, found.evaluate) == (("a=1", "b=2"), 0.5, True)
    assert (options([]).app / "crossward" / "cli" / "run.py").exists()
    assert options(["--runs-dir", "r"]).runs_dir == tmp_path / "r"


@pytest.mark.parametrize("wrong", [["--num-supernodes", "0"], ["--cpus-per-client", "x"], ["--gpus-per-client", "-1"]])
def test_wrong_options_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *wrong]) == 2
    output = capsys.readouterr().err
    assert output.startswith(f"crossward run: Invalid value for '{wrong[0]}'") and output.count("\n") == 1


def test_a_run_config_that_the_app_does_not_know_ends_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flwr.app.config]\nrun.folder = ''\n")
    assert main(["run", "--app", str(tmp_path), "--run-config", "run.foldr=x"]) == 2
    assert "did you mean run.folder?" in capsys.readouterr().err
    (tmp_path / "pyproject.toml").write_text("[tool.flwr.app.config]\n")
    assert main(["run", "--app", str(tmp_path)]) == 2
    assert "lacks run.folder" in capsys.readouterr().err


def test_ray_gets_no_more_cpus_than_clients_fill() -> None:
    assert federation(OPTIONS, 64).endswith("init-args-num-cpus=4")
    assert federation(OPTIONS, 2).endswith("init-args-num-cpus=2")
    assert federation(replace(OPTIONS, cpus_per_client=8), 4).endswith("init-args-num-cpus=8")
    assert "num-gpus=0.25 " in federation(replace(OPTIONS, gpus_per_client=0.25), 4)
    with pytest.raises(LauncherError, match="no client fits"):
        federation(replace(OPTIONS, cpus=1, cpus_per_client=2), 4)


@pytest.mark.parametrize(
    ("asked", "available", "wanted"),
    [({}, 64, 4), ({}, 2, 2), ({"cpus_per_client": 2}, 5, 2), ({"gpus_per_client": 0.5}, 8, 2), ({"cpus": 3}, 1, 3)],
)
def test_as_many_hospitals_train_at_once_as_cpus_and_gpus_allow(
    asked: dict[str, float], available: int, wanted: int
) -> None:
    assert clients_at_once(replace(OPTIONS, **asked), available) == wanted


def test_run_names_sort_by_time_and_differ() -> None:
    now = datetime(2026, 11, 20, 9, 5, 7, tzinfo=UTC)
    assert re.fullmatch(r"20261120T090507Z-[0-9a-f]{6}", run_name(now))
    assert run_name(now) != run_name(now)


def test_the_environment_isolates_but_leaves_the_users_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    base = {"PATH": "/bin", "OMP_WAIT_POLICY": "ACTIVE", "RAY_ADDRESS": "auto", "MINE": "1"}
    found = environment(base, tmp_path, 1, 2, offline=False)
    assert (found["FLWR_HOME"], found["RAY_TMPDIR"], found["RAY_ADDRESS"]) == (str(tmp_path), str(tmp_path), "local")
    assert (found["OMP_WAIT_POLICY"], found["GOMP_SPINCOUNT"], found["MINE"]) == ("ACTIVE", "0", "1")
    assert found["PATH"].split(os.pathsep) == [str(tmp_path / "own"), "/venv/bin", "/bin"]
    assert "HF_HUB_OFFLINE" not in found
    assert environment(base, tmp_path, 1, 2, offline=True)["HF_HUB_OFFLINE"] == "1"


def test_an_interpreter_with_a_space_in_its_path_is_reached_by_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, spaced = tmp_path / "plain", tmp_path / "with space"
    for folder in (plain, spaced):
        folder.symlink_to(sys.prefix, target_is_directory=True)
    monkeypatch.setattr(sys, "executable", str(plain / "bin" / "python"))
    assert command("flwr", tmp_path) == str(plain / "bin" / "flwr")
    monkeypatch.setattr(sys, "prefix", str(spaced))
    monkeypatch.setattr(sys, "executable", str(spaced / "bin" / "python"))
    (home := tmp_path / "h").mkdir()
    found = command("flwr", home)
    assert found == str(home / "bin" / "flwr") == command("flwr", home)
    done = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    assert "Flower version" in done.stdout
    environment({}, home, 1, 2, offline=False)
    assert f"exec' {home}/venv/bin/python " in (home / "own" / "flwr-simulation").read_text()


def test_the_home_is_short_enough_for_rays_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    home = make_home()
    try:
        assert len(str(home)) < 30 and not list(tmp_path.iterdir())
    finally:
        home.rmdir()


@pytest.mark.parametrize(
    ("ending", "marked", "problem"),
    [
        (Ending("finished:completed", ""), True, ""),
        (Ending("finished:completed", ""), False, "no new result.json"),
        (Ending("finished:failed", "it broke"), True, "it broke"),
        (Ending("finished:stopped", "by hand"), True, "finished:stopped"),
        (Ending("stalled", "gone"), True, "gone"),
    ],
)
def test_only_completed_and_marked_is_success(ending: Ending, marked: bool, problem: str) -> None:
    found = Launch._problem(ending, marked)
    assert problem in found and bool(found) == bool(problem)


def test_a_marker_from_an_earlier_run_does_not_count(tmp_path: Path) -> None:
    marker = tmp_path / "result.json"
    assert stamp(marker) is None and not renewed(marker, None)
    marker.write_text("{}")
    assert renewed(marker, None)
    before = stamp(marker)
    assert not renewed(marker, before)
    marker.write_text("{ }")
    assert renewed(marker, before)
    marker.unlink()  # as a run that is resumed does first
    assert not renewed(marker, before)


def test_a_resumed_run_goes_on_in_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flwr.app.config]\nrun.folder = ''\nrun.resume = ''\n")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "ledger.jsonl").touch()
    code = f"""
from pathlib import Path
from crossward.launcher.launch import Launch
from crossward.launcher.options import Options
for text in ("", "run.folder=here", {f"run.resume={tmp_path / 'old'}"!r}):
    launch = Launch(Options(Path({str(tmp_path)!r}), Path("/runs"), (text,)), print)
    print(launch.folder, launch._run_config.strip())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    fresh, chosen, resumed = done.stdout.splitlines()
    assert fresh.startswith("/runs/2") and 'run.folder = "/runs/2' in fresh
    assert chosen == f'{ROOT}/here run.folder = "{ROOT}/here"'
    assert resumed == f'{tmp_path}/old run.resume = "{tmp_path}/old"'


def test_ports_that_are_taken_meanwhile_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flower = Flower(tmp_path, {}, ProcessTree(), offline=True, bound=True)
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as too:
        ports = [taken.getsockname()[1], too.getsockname()[1]]
        monkeypatch.setattr("crossward.launcher.flower.free_ports", lambda count: ports)
        with pytest.raises(LauncherError, match=rf"own SuperLink: port {ports[0]} on 127\.0\.0\.1 is taken by .*again"):
            flower.start()
    assert not flower.alive and not flower.log.exists()


def test_messages_and_logs_lose_their_noise(tmp_path: Path) -> None:
    assert (
        reason("Flower configuration not found. Created x\n\nUsing SuperLink: y\n[code: 15] Bad.") == "[code: 15] Bad."
    )
    log = tmp_path / "log"
    assert tail(log, 3) == "(no log was written)"
    log.write_text("a\nb [uvicorn.access] x\nc\nd\n")
    assert tail(log, 2) == "c\nd"


def test_orphans_with_sessions_of_their_own_are_found_and_ended() -> None:
    orphan = "import subprocess, sys; print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True)"
    code = f"""
import sys
from crossward.launcher.processes import ProcessTree
tree = ProcessTree()
process = tree.start([sys.executable, "-c", {orphan!r}], stdout=-1)
pid = int(process.stdout.readline())
process.wait()
assert [p.pid for p in tree.named("sleep")] == [pid], tree.alive()
assert tree.stop() == [] and tree.alive() == []
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_what_ignores_a_polite_request_is_killed() -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    code = f"""
import sys
from crossward.launcher.processes import ProcessTree
tree = ProcessTree()
process = tree.start([sys.executable, "-c", {deaf!r}], stdout=-1)
process.stdout.readline()
assert tree.stop(keep=lambda p: p.pid == process.pid) != [process] and process.poll() is None
assert tree.stop(patience=0.2) == [] and process.wait() == -9
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_the_keeper_ends_its_command_when_the_launcher_is_killed() -> None:
    code = """
import subprocess, sys, time
from crossward.launcher.processes import ProcessTree
command = [sys.executable, "-m", "crossward.launcher.keeper", "/", "sleep", "600"]
keeper = ProcessTree().start(command, bound=False, stdin=-1)
print(keeper.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None
        keeper = psutil.Process(int(launcher.stdout.readline()))
        deadline = time.monotonic() + 300
        while not (kept := keeper.children()) and time.monotonic() < deadline:
            time.sleep(0.02)
        launcher.send_signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs([keeper, *kept], timeout=300)
    assert kept and not alive and len(gone) == 2


def test_the_evaluations_exit_code_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flwr.app.config]\nrun.folder = ''\n")
    code = f"""
import sys
from pathlib import Path
from crossward.launcher.launch import Launch
from crossward.launcher.options import Options
options = Options(Path({str(tmp_path)!r}), Path({str(tmp_path)!r}) / "runs", evaluation_args="--key 'a b'")
raise SystemExit(Launch(options, print)._evaluate())
"""
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0 and "no evaluation command" in done.stdout
    package = tmp_path / "crossward" / "cli"
    package.mkdir(parents=True)
    for folder in (package.parent, package):  # without these the installed package of that name would win
        (folder / "__init__.py").touch()
    (package / "evaluate.py").touch()
    (package.parent / "__main__.py").write_text("import os, sys\nprint(sys.argv[1:], os.getcwd())\nsys.exit(5)\n")
    (elsewhere := tmp_path / "else where").mkdir()
    (elsewhere / "evaluation.py").write_text("raise SystemExit('a file of the caller stood in for the app')")
    # the arguments may name files by relative paths: they are of the caller's directory
    done = subprocess.run(
        run, capture_output=True, text=True, cwd=elsewhere, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.stdout.endswith(f"'a b'] {elsewhere}\n")
    assert (
        done.returncode == 5 and "'--key', 'a b']" in done.stdout and f"['evaluate', '{tmp_path}/runs/" in done.stdout
    )


def test_the_next_commands_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "my app" / ".venv" / "bin" / "crossward"
    script.parent.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    monkeypatch.setenv("PATH", "/nowhere")
    assert _command(tmp_path) == f"'{script.with_name('python')}' -m crossward"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert _command(tmp_path / "my app") == ".venv/bin/crossward"
    assert _command(tmp_path / "elsewhere") == f"'{script}'"
    monkeypatch.setenv("PATH", str(script.parent))
    assert _command(tmp_path) == "crossward"


def test_a_profile_of_simulated_hospitals_is_a_run_of_them_all_that_is_opened_at_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Options] = []
    monkeypatch.setattr("crossward.cli.run.launch", lambda wanted: asked.append(wanted) or 0)
    assert main(["data", "profile", "--num-supernodes", "5", "--run-config", "data.seed=3"]) == 0
    (wanted,) = asked
    assert wanted.num_supernodes == 5 and wanted.evaluate
    said: list[str] = []
    launch = Launch(replace(wanted, runs_dir=tmp_path), said.append)
    settings = launch._settings
    assert settings is not None and settings.run.profile and settings.strategy.buffer_size == 5
    assert settings.data.seed == 3
    assert LAUNCHES[HORIZONTAL].outline(settings, 5) == "5 simulated hospitals count their notes, encrypted (committee)"
    started: list[list[str]] = []

    def start(args: list[str], **_: object) -> object:
        started.append(args)
        return SimpleNamespace(wait=lambda: 0)

    monkeypatch.setattr(launch._tree, "start", start)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(flush=lambda: None, fileno=lambda: 1))
    assert launch._evaluate() == 0
    assert started[0][4:7] == ["data", "profile", str(launch.folder)] and "--key" in started[0]
    launch._next()
    assert "data profile" in said[-1] and "export" not in said[-1]
