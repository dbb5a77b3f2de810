"""A whole deployment on one machine: every process, certificate, key and file that a consortium has, on the loopback.

An aggregator (SuperLink over TLS with registered node keys, a database and process isolation) and N hospitals, each
with its own folders; a run; its evaluation; a clean stop. A drill kills processes under way and reports the cost.

Not for: more than trying out: here one user holds everybody's keys.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from crossward.config.data_sources import MIMIC_III, OMOP, OWN
from crossward.config.notes_toml import FILE
from crossward.deploy.aggregator import AggregatorConfig, healthy, init_aggregator, read_aggregator
from crossward.deploy.drill import SERVERAPP, Drill
from crossward.deploy.errors import DeployError
from crossward.deploy.files import only_one
from crossward.deploy.hospital import LOOPBACK, ROSTER, init_hospital, read_hospital
from crossward.deploy.members import BOOK
from crossward.deploy.node_keys import PUBLIC
from crossward.deploy.run import APP, DeployedRun
from crossward.encryption.committee.roster_file import make_book
from crossward.encryption.identity import PRIVATE as IDENTITY
from crossward.encryption.identity import load_identity
from crossward.launcher.errors import LauncherError
from crossward.launcher.processes import ProcessTree
from crossward.machine.files import write_atomic
from crossward.machine.ports import free_ports, trouble
from crossward.machine.waiting import announced
from data.synthetic.houses import HOUSES

SETTINGS = (
    "run.alone=false strategy.num-versions=8 strategy.evaluate-every=4 node.num-processes=1 "
    "node.threads=1 model.device=cpu strategy.buffer-size=3 strategy.min-nodes={hospitals}"
)
BOOKLET = "deployment.json"  # what a folder was made for
PATIENCE = 90.0  # seconds for a process to be up


class LocalDeployment:
    """A deployment in ``folder``; keys and certificates found there are used again."""

    drill: type[Drill] = Drill

    def __init__(
        self, folder: Path, hospitals: int, patients: int, say: Callable[[str], None], forms: Sequence[str] = ()
    ) -> None:
        if not 3 <= hospitals <= len(HOUSES):
            raise DeployError(
                f"--hospitals {hospitals}: a version needs at least 3, or a member could subtract itself, and there "
                f"are {len(HOUSES)} made-up hospitals"
            )
        self.folder, self.hospitals, self.patients, self.say = folder.resolve(), hospitals, patients, say
        self.forms = list(forms)
        self.tree = ProcessTree()
        self.aggregator = self.folder / "aggregator" / "aggregator.toml"
        self.key = self.folder / "consortium.key"
        self.roster = self.key.with_name(ROSTER)
        self._lock: IO[bytes] | None = None
        self.keepers: dict[str, subprocess.Popen[bytes]] = {}

    # ------------------------------------------------------------------ files

    def hospital(self, number: int) -> Path:
        """A hospital's configuration file."""
        return self.folder / f"hospital-{number}" / "hospital.toml"

    def prepare(self) -> None:
        """Make what is not there yet: CA, certificate, keys, configuration, made-up notes."""
        self._is_ours()
        self._lock = only_one(self.folder, "deployment")
        self._same()
        ports = free_ports(self.hospitals + 1)
        if not self.aggregator.exists():
            init_aggregator(self.aggregator.parent, "127.0.0.1", ports[0], "127.0.0.1")
        if not self.key.exists():
            self._crossward("keys", "create", str(self.key))
        notes = self._notes()
        config = read_aggregator(self.aggregator)
        for number, (site, path) in enumerate(notes, 1):
            folder = self.hospital(number).parent
            if not self.hospital(number).exists():
                address = f"127.0.0.1:{config.port}"
                init_hospital(folder, address, site, path, config.authority, self.key, ports[number])
            member = config.nodes / f"{folder.name}.pub"
            member.write_bytes((folder / PUBLIC).read_bytes())
        self._make_roster([site for site, _ in notes])

    def _make_roster(self, sites: Sequence[str]) -> None:
        """The roster of all hospitals, signed with the keys of all, which one user holds here."""
        if self.roster.exists():
            return
        keys = {}
        for number, site in enumerate(sites, 1):
            _, node = read_hospital(self.hospital(number))
            keys[site] = load_identity(Path(node["state-dir"]) / IDENTITY)
        write_atomic(self.roster, make_book(keys).to_bytes())
        self.say(f"{self.roster}: signed with the keys of all {len(keys)} hospitals, which one user holds here")

    def _is_ours(self) -> None:
        """A folder that holds somebody else's files is left alone."""
        try:
            names = sorted(path.name for path in self.folder.iterdir())
        except FileNotFoundError:
            return
        except OSError as error:
            raise DeployError(f"--folder {self.folder} cannot be used: {error.strerror}") from error
        if BOOKLET not in names and (others := [name for name in names if name != ".lock"]):
            raise DeployError(
                f"--folder {self.folder} is no deployment and not empty (it holds {', '.join(others[:3])}): name one "
                "that is empty or does not exist"
            )

    def _same(self) -> None:
        """A folder is for one number of hospitals and patients: who is a member, and of which notes, stays so."""
        path = self.folder / BOOKLET
        mine: dict[str, Any] = {"hospitals": self.hospitals, "patients": self.patients}
        mine |= {"forms": self.forms} if self.forms else {}
        if not path.exists():
            path.write_text(json.dumps(mine), encoding="utf-8")
        elif (made := _table(path)) != mine:
            forms = "".join(f" --form {form}" for form in made.get("forms", ()))
            raise DeployError(
                f"{self.folder} was made with --hospitals {made.get('hospitals')} --patients {made.get('patients')}"
                f"{forms}: give the same, or another --folder"
            )

    def _notes(self) -> list[tuple[str, Path]]:
        """Site name of every hospital, and its made-up notes: a folder of MIMIC-III tables, or a notes.toml."""
        folder = self.folder / f"notes-{self.hospitals}-{self.patients}"
        if not folder.exists():
            args = ["--hospitals", str(self.hospitals), "--patients", str(self.patients), "--split"]
            args += [word for form in self.forms for word in ("--form", form)]
            args += ["--parquet"] if OMOP in self.forms else []
            with tempfile.TemporaryDirectory(prefix=".notes-", dir=self.folder) as draft:
                made = Path(draft) / "notes"
                self._crossward("data", "make", "--out", str(made), *args)
                made.rename(folder)
        found = [path / FILE if self.forms else path for path in sorted(folder.iterdir())]
        return [(house.name, path) for house, path in zip(HOUSES, found, strict=False)]

    def _crossward(self, *args: str, show: bool = False) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "crossward", *args],
            cwd=APP,
            stdout=None if show else subprocess.PIPE,
            stderr=None if show else subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            output = (done.stdout or b"").decode(errors="replace").strip()
            raise DeployError(f"`crossward {' '.join(args[:2])}` failed: {output}")

    # ------------------------------------------------------------------ processes

    def _keep(self, name: str, command: str, config: Path) -> None:
        log = config.parent / f"{command}.log"
        with log.open("ab") as file:
            args = [sys.executable, "-m", "crossward", "deploy", command, str(config)]
            self.keepers[name] = self.tree.start(args, stdout=file, stderr=file, cwd=APP)

    def log_of(self, name: str) -> Path:
        """Where a keeper's output goes."""
        if name == "aggregator":
            return self.aggregator.with_name("aggregator.log")
        return self.folder / name / "hospital.log"

    def _await(self, what: str, name: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        with announced(self.say, f"waiting for {what}"):
            while not holds():
                if self.keepers[name].poll() is not None or time.monotonic() > deadline:
                    raise DeployError(f"{what} did not happen; see {self.log_of(name)}")
                time.sleep(0.2)

    def start(self) -> None:
        """Start the aggregator, then the hospitals."""
        config = read_aggregator(self.aggregator)
        self._ports(config)
        self._keep("aggregator", "aggregator", self.aggregator)
        self._await("the SuperLink's answer", "aggregator", lambda: healthy(config))
        self._await("registering all hospitals", "aggregator", lambda: len(self.members()) >= self.hospitals)
        for number in range(1, self.hospitals + 1):
            self._keep(f"hospital-{number}", "hospital", self.hospital(number))

    def _ports(self, config: AggregatorConfig) -> None:
        """The ports that the folder was made with are free now as they were then."""
        setting = "stop the process that uses it, or name another --folder, which gets other ports"
        if why := trouble(config.host, config.port):
            raise DeployError(f"{why}, and the SuperLink of {self.aggregator} needs it: {setting}")
        for number in range(1, self.hospitals + 1):
            if why := trouble(LOOPBACK, read_hospital(self.hospital(number))[0].port):
                raise DeployError(f"{why}, and the SuperNode of {self.hospital(number)} needs it: {setting}")

    def members(self) -> dict[str, Any]:
        """Who is registered at the SuperLink, by public key."""
        return _table(read_aggregator(self.aggregator).state / BOOK)

    def supernode(self, name: str) -> psutil.Process | None:
        """The SuperNode of a hospital, or with ``aggregator`` the SuperLink, if it runs."""
        wanted = f"crossward.deploy.{'superlink' if name == 'aggregator' else 'supernode'}"
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.keepers[name].pid).children():
                with contextlib.suppress(psutil.Error):  # one that has just ended
                    if any(word.endswith(wanted) for word in child.cmdline()[:3]):
                        return child
        return None

    def stop(self) -> None:
        """End every process in order: the hospitals sign off before the aggregator goes.

        Raises
        ------
        DeployError
            something still runs.
        """
        for name in sorted(self.keepers, key=lambda name: name == "aggregator"):
            if name == "aggregator":
                for process in self.keepers.values():
                    if process is not self.keepers["aggregator"]:
                        _wait(process)
            self.keepers[name].terminate()
        if "aggregator" in self.keepers:
            _wait(self.keepers["aggregator"])
        self.keepers.clear()
        if left := self.tree.stop():
            raise DeployError(f"these processes did not exit: {'; '.join(left)}")

    # ------------------------------------------------------------------ the whole

    def whole(self, run_config: Sequence[str], drills: Sequence[str]) -> int:
        """Prepare, start, run (with drills), evaluate, stop; 0 when all of it went well."""
        began = time.monotonic()
        self.check(drills)
        self.prepare()
        self.say(f"deployment in {self.folder}: {self.hospitals} hospitals, one aggregator")
        try:
            self.start()
            self.say(f"up after {time.monotonic() - began:.0f} s")
            folder = self.run(run_config, drills)
            self.evaluate(folder)
        finally:
            stopping = time.monotonic()
            self.stop()
            self.say(f"all processes have exited ({time.monotonic() - stopping:.0f} s)")
        self.say(f"done in {time.monotonic() - began:.0f} s; the run: {folder}")
        return 0

    def settings(self) -> list[str]:
        """What every run of the deployment has."""
        return [f"data.source={OWN if self.forms else MIMIC_III}", SETTINGS.format(hospitals=self.hospitals)]

    def check(self, drills: Sequence[str]) -> None:
        """Refuse drills of what there is not; here there is everything."""

    def run(self, run_config: Sequence[str], drills: Sequence[str] = ()) -> Path:
        """One run to its end, resumed when a drill killed its ServerApp; its folder."""
        config = read_aggregator(self.aggregator)
        settings = [*self.settings(), *run_config]
        run = DeployedRun(config, settings, self.say)
        drill = self.drill(self, run.folder, drills, self.say)
        run.submit()
        drill.start()
        try:
            run.follow(self.say, SERVERAPP)
        except LauncherError as error:
            if not drill.killed_serverapp:
                raise
            self.say(f"as expected: {str(error).splitlines()[0]}; stopping and resuming it")
            run.stop()
            run = DeployedRun(config, [*settings, f"run.resume='{run.folder}'"], self.say)
            run.submit()
            run.follow(self.say, SERVERAPP)
        finally:
            drill.stop()
        drill.account()
        return run.folder

    def evaluate(self, folder: Path) -> None:
        """Open the adapter with the consortium's key and roster and measure it on every hospital's held-out notes."""
        args = [str(folder), "--key", str(self.key), "--roster", str(self.roster), "--generations", "0"]
        for number in range(1, self.hospitals + 1):
            _, node = read_hospital(self.hospital(number))
            args += ["--notes", f"{node['site']}={node.get('notes-path') or node['data-path']}"]
        self._crossward("evaluate", *args, show=True)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(30.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _table(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
