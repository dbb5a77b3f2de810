"""A launch's simulation is started by our command, which has Flower's name and leaves none of our code imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crossward.internals.flower import FLOWER
from crossward.launcher import simulation
from crossward.launcher.environment import SIMULATION, environment
from crossward.launcher.processes import ProcessTree

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = FLOWER.require("flwr.supercore.constant:TASK_TYPE_TO_COMMAND")


def test_the_command_is_the_one_that_flower_starts_and_is_found_first(tmp_path: Path) -> None:
    assert SIMULATION in COMMANDS.values()
    (home := tmp_path / "with space").mkdir()
    env = environment(os.environ, home, 1, 2, offline=False)
    found = shutil.which(SIMULATION, path=env["PATH"])
    assert found == str(home / "own" / SIMULATION)
    done = subprocess.run([found, "--help"], env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Run a Flower Simulation" in done.stdout and "--runtime-api-address" in done.stdout


def test_a_launch_recognises_its_process_by_the_name(tmp_path: Path) -> None:
    env = environment(os.environ, tmp_path, 1, 2, offline=False)
    script = tmp_path / "own" / SIMULATION
    script.write_text(script.read_text().replace("from crossward.launcher.simulation import main\n\nmain()", "input()"))
    tree = ProcessTree()
    process = tree.start([str(script)], env=env, stdin=subprocess.PIPE)
    try:
        while not (found := tree.named(SIMULATION)) and process.poll() is None:
            pass
        assert [one.pid for one in found] == [process.pid]
    finally:
        process.kill()
        process.communicate()


def test_the_app_that_is_run_finds_its_own_copy_of_the_package_and_the_committees_types_wait_for_nobody() -> None:
    code = """
import sys, warnings
warnings.simplefilter("ignore")
from crossward.launcher import simulation
def simulate():
    print(sorted(chosen), [name for name in sys.modules if name.partition(".")[0] == "crossward"])
def command(beside):
    chosen.extend(beside)
    return simulate
chosen, simulation.simulation_command = [], command
simulation.main()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['query.answer', 'query.consent', 'query.membership'] []"


def test_a_simulation_of_other_internals_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(_: object) -> None:
        raise FLOWER.differs("its engine is another")

    monkeypatch.setattr(simulation, "simulation_command", differs)
    with pytest.raises(SystemExit, match=r"the simulation cannot be started: flwr \S+: its engine is another\. "):
        simulation.main()
