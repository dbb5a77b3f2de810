"""One launch from start to end: SuperLink, run, verdict, clean-up, evaluation.

The verdict needs both: Flower says the run completed, and the ServerApp left ``result.json`` in the run folder during
this launch. Either alone has lied: a ServerApp that raises ends with exit code 0 in Flower, and a folder may be left
from an earlier run.

Not for: reading options (``crossward.cli.run``) or showing what happens (`crossward.launcher.display`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crossward.config.encryption_schemes import simulation_key_name
from crossward.config.encryption_settings import NONE
from crossward.config.model_settings import EMBEDDED
from crossward.config.run_config import RunConfig
from crossward.config.run_settings import simulation_keys
from crossward.config.scenarios import HORIZONTAL
from crossward.launcher.display import Display
from crossward.launcher.environment import OFFLINE, SIMULATION, make_home
from crossward.launcher.errors import LauncherError
from crossward.launcher.flower import Flower, tail
from crossward.launcher.folder import check_new, check_resumed, new_log
from crossward.launcher.lines import Screen
from crossward.launcher.options import Options, clients_at_once, cpus_of, federation
from crossward.launcher.overrides import Value, absolute_texts, app_defaults, read_overrides, to_toml
from crossward.launcher.processes import ProcessTree
from crossward.launcher.views import draw_report
from crossward.launcher.watch import Ending, Watch
from crossward.machine.cores import cores
from crossward.machine.paths import absolute
from crossward.machine.waiting import announced

if TYPE_CHECKING:
    from crossward.launcher.scenarios import ScenarioLaunch

MARKER, LOG, REPORT = "result.json", "launcher.log", "report.html"
SCENARIO_KEY = "run.scenario"
FOLDER_KEY, RESUME_KEY, TIMEOUT_KEY = "run.folder", "run.resume", "strategy.task-timeout"
TAIL_LINES = 40


def run_name(now: datetime) -> str:
    """A run folder's name: UTC time and three random bytes, so that names sort by time and never meet."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def stamp(file: Path) -> tuple[int, int, int] | None:
    """Notices when a file is replaced by another one."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def renewed(file: Path, before: tuple[int, int, int] | None) -> bool:
    """Whether the file is there, and not the one that had the stamp ``before``: a resumed run begins by removing it."""
    return stamp(file) not in (None, before)


def _command(here: Path) -> str:
    """How one calls ``crossward`` from ``here``: by its name where that is found, else by its path."""
    script = Path(sys.executable).with_name("crossward")
    found = shutil.which("crossward")
    if found is not None and Path(found).resolve() == script.resolve():
        return "crossward"
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m crossward"
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))


class Launch:
    """Call `run` once, and `close` in any case. ``say`` gets lines for people; a `Display` shows the run as well."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self.options, self._say = options, say
        self._display = say if isinstance(say, Display) else None
        self._flower: Flower | None = None
        self._run_id = ""
        self._kept: set[int] = set()
        self._ours = options.app == Path(__file__).resolve().parents[2]
        self._settings: RunConfig | None = None  # of this app
        self._scenario: ScenarioLaunch | None = None
        defaults = app_defaults(options.app)
        overrides = options.resumed | read_overrides(options.run_config, defaults)
        if options.offline:  # this process looks for the model as well
            os.environ.update(OFFLINE)
        if self._ours:
            from crossward.launcher.choices import with_model, with_notes
            from crossward.launcher.preflight import (  # imports every package's settings: half a second
                check_run,
                resolved,
            )
            from crossward.launcher.scenarios import LAUNCHES

            model = str(resolved({"model.name": options.model})["model.name"]) if options.model else ""
            overrides = with_model(model, with_notes(options.notes, resolved(overrides), say), say)
            scenario = str(resolved(overrides).get(SCENARIO_KEY, HORIZONTAL))
            self._scenario = LAUNCHES.get(scenario, LAUNCHES[HORIZONTAL])  # another is refused as a setting
            if not options.num_supernodes:
                self.options = options = replace(options, num_supernodes=self._scenario.nodes)
            overrides = self._scenario.own(options.num_supernodes) | overrides
            self._settings = check_run(defaults | overrides, options.num_supernodes, self._scenario.check)
        else:
            if options.model or options.notes or options.dry_run:
                raise LauncherError("--model, --notes and --dry-run are for this app, not for another --app")
            overrides = absolute_texts(overrides)
            self.options = options = replace(options, num_supernodes=options.num_supernodes or 4)
        if FOLDER_KEY not in defaults:
            raise LauncherError(f"{options.app}/pyproject.toml: [tool.flwr.app.config] lacks {FOLDER_KEY}")
        self._resumed = bool(overrides.get(RESUME_KEY))
        chosen = (
            overrides.get(RESUME_KEY) or overrides.get(FOLDER_KEY) or options.runs_dir / run_name(datetime.now(UTC))
        )
        self.folder = absolute(str(chosen), FOLDER_KEY)
        (check_resumed if self._resumed else check_new)(self.folder)
        own: dict[str, Value] = {RESUME_KEY if self._resumed else FOLDER_KEY: str(self.folder)}
        self._overrides: dict[str, Value] = overrides | own
        self._config = defaults | overrides
        self._federation = federation(options, cores())
        self.log = self.folder / LOG
        self._tree = ProcessTree()

    def run(self) -> int:
        """The exit code: 0 only when the run has completed and its evaluation, if any, has too."""
        began = time.monotonic()
        notes = self._before()
        if self.options.dry_run:
            self._say("dry run: nothing was started")
            return 0
        if not self._resumed:  # a resumed run adds to the log of its earlier launches
            self.log = new_log(self.folder)
        try:
            with self.log.open("a", encoding="utf-8") as log:
                log.writelines(f"{line}\n" for line in notes)
        except OSError as error:
            raise LauncherError(f"the run's log {self.log} cannot be written: {error.strerror}") from error
        before = stamp(self.folder / MARKER)
        self._say(f"run folder: {self.folder}")
        if self._settings is not None:
            self._say(self._scenario.outline(self._settings, self.options.num_supernodes) if self._scenario else "")
        ending = self._simulate()
        words = tail(self.log, TAIL_LINES)
        self.close()
        seconds = time.monotonic() - began
        if problem := self._problem(ending, renewed(self.folder / MARKER, before)):
            print(f"--- the last lines of {self.log}\n{words}\n---", file=sys.stderr)
            raise LauncherError(f"the run has failed after {seconds:.0f} s: {problem}\nfull log: {self.log}")
        self._say(f"run completed in {seconds:.0f} s; its log: {self.log}")
        if problem := draw_report(self.folder):
            self._say(f"the report could not be redrawn with exact training losses: {problem}")
        code = self._evaluate()
        self._next()
        return code

    @property
    def _counts(self) -> bool:
        """Whether this is a profile run, which trains nothing."""
        return self._settings is not None and self._settings.run.profile

    @property
    def _run_config(self) -> str:
        """What Flower is given of the run config."""
        return to_toml(self._overrides)

    def _before(self) -> list[str]:
        """Read the notes, and try the model unless it is the embedded one; what was said of them."""
        lines: list[str] = []
        if self._settings is not None:

            def say(line: str) -> None:
                lines.append(line)
                self._say(line)

            scenario = self._scenario
            held_out = scenario.read(self._settings, self.options.num_supernodes, say) if scenario else 0
            forecasts = scenario is not None and scenario.forecasts and not self._counts
            if forecasts and (self._settings.model.name != EMBEDDED or self.options.dry_run):
                self._fit(self._settings, held_out, say)
        return lines

    def _fit(self, settings: RunConfig, held_out: int, say: Callable[[str], None]) -> None:
        """Print what the run takes, and let no more hospitals train at once than memory has room for."""
        from crossward.launcher.forecast.command import Load, forecast

        options, available = self.options, cores()
        wanted, cpus = clients_at_once(options, available), cpus_of(options, available)
        fits = forecast(
            self._tree,
            str(options.app),
            settings,
            Load(options.num_supernodes, held_out, wanted, cpus, options.evaluate),
            say,
        )
        if fits.at_once < wanted:
            self._federation = federation(replace(options, cpus=cpus, cpus_per_client=cpus // fits.at_once), available)
        if TIMEOUT_KEY not in self._overrides and fits.task_timeout > settings.strategy.task_timeout:
            say(f"{TIMEOUT_KEY}={fits.task_timeout:g}: the longest task takes a fourth of that")
            self._overrides[TIMEOUT_KEY] = fits.task_timeout

    def _simulate(self) -> Ending:
        options = self.options
        flower = Flower(make_home(), os.environ, self._tree, offline=options.offline, bound=not options.keep_superlink)
        self._flower = flower
        with announced(self._say, "waiting for the SuperLink to answer"):
            flower.start()
        run_config = flower.home / "run-config.toml"
        run_config.write_text(self._run_config, "utf-8")
        with announced(self._say, "waiting for the SuperLink to accept the run"):
            self._run_id = flower.run(options.app, run_config, self._federation)
        show: Callable[[str], bool | None] = (lambda _: False) if options.quiet else self._say
        if self._display is not None:
            lines = self._ours and not self._counts  # the log of a profile run is short, and has no losses
            scenario = self._settings.run.scenario if self._settings is not None else HORIZONTAL
            show = self._display.of_run(self.folder, ours=lines, resumed=self._resumed, scenario=scenario)
        try:
            return Watch(flower, self._tree, self._run_id, self.log, Screen(show), self._say).follow()
        finally:
            if self._display is not None:
                self._display.close()

    @staticmethod
    def _problem(ending: Ending, marked: bool) -> str:
        """Why this is not a completed run; empty when it is."""
        if not ending.completed:
            return f"{ending.status}: {ending.details}"
        if not marked:
            return f"Flower reports that it completed, but the ServerApp left no new {MARKER} in the run folder"
        return ""

    def close(self) -> None:
        """End every process of this launch, but a SuperLink that is to be kept."""
        flower, self._flower = self._flower, None
        if flower is None:
            return
        if self._run_id and flower.alive and self._tree.named(SIMULATION):
            try:
                flower.stop_run(self._run_id)
            except LauncherError as error:
                self._say(f"the run could not be stopped by Flower ({error}); stopping its processes instead")
        self._end_processes(flower)
        with contextlib.suppress(OSError), self.log.open("a", encoding="utf-8") as log:
            log.write(f"--- the SuperLink's log\n{tail(flower.log, 200)}\n")
        if self.options.keep_superlink and flower.alive:
            settings = [f"{k}={shlex.quote(v)}" for k, v in flower.env.items() if k.startswith("FLWR_")]
            self._say(f"the SuperLink keeps running; inspect it with: {' '.join(settings)} flwr ls local")
            self._say(f"stop it with: kill {flower.pid}; rm -r {flower.home}")
        else:
            shutil.rmtree(flower.home, ignore_errors=True)

    def _end_processes(self, flower: Flower) -> None:
        # The simulation first: it ends Ray in order. Then the rest from the SuperLink downwards.
        for process in self._tree.named(SIMULATION):
            process.terminate()
        deadline = time.monotonic() + 3.0
        while self._tree.named(SIMULATION) and time.monotonic() < deadline:
            time.sleep(0.1)
        if self.options.keep_superlink:
            self._kept = {flower.pid, *(p.pid for p in self._tree.named("flower-superexec"))}
        if left := self._tree.stop(keep=lambda process: process.pid in self._kept):
            self._say(f"these processes did not exit: {'; '.join(left)}")

    def _key(self, given: list[str]) -> list[str]:
        """The simulation's own key for the evaluation of a sealed run, unless a key is given."""
        encryption = (self._settings or RunConfig.read(self._config)).encryption  # of a copy of this app
        if encryption.policy == NONE or "--key" in given:
            return []
        return ["--key", str(simulation_keys() / simulation_key_name(encryption.scheme))]

    def _next(self) -> None:
        """What one may want to do with the run."""
        if not self._ours:
            return
        here = Path.cwd()
        folder = shlex.quote(str(self.folder.relative_to(here) if self.folder.is_relative_to(here) else self.folder))
        command = _command(here)
        key = "".join(f" {word}" for word in map(shlex.quote, self._key([])))
        if self._counts:
            self._say(f"Report:       {self.folder / REPORT}\n\nNext:\n  {command} data profile {folder}{key}")
            return
        lines = [
            line.format(command=command, folder=folder, key=key)
            for line in (self._scenario.following if self._scenario else ())
        ]
        self._say("\n".join([f"Report:       {self.folder / REPORT}", "", "Next:", *(f"  {line}" for line in lines)]))

    def _evaluate(self) -> int:
        if not self.options.evaluate:
            self._measures()
            return 0
        if not (self.options.app / "crossward" / "cli" / "evaluate.py").exists():
            self._say("this app has no evaluation command: evaluation skipped")
            return 0
        # In the caller's directory, from which its arguments name files; a data.py lying there is not imported.
        command = ["data", "profile"] if self._counts else ["evaluate"]
        args = [sys.executable, "-P", "-m", "crossward", *command, str(self.folder)]
        args += shlex.split(self.options.evaluation_args)
        args += self._key(args)
        self._say(f"evaluation: {shlex.join(args[3:])}")
        sys.stdout.flush()
        path = os.pathsep.join(filter(None, [str(self.options.app), os.environ.get("PYTHONPATH", "")]))
        env = os.environ | {"PYTHONPATH": path}
        process = self._tree.start(args, env=env, stdout=sys.stdout.fileno())
        try:
            return process.wait()
        finally:
            self._tree.stop(keep=lambda process: process.pid in self._kept)

    def _measures(self) -> None:
        """The table that the hospitals reported, where no evaluation prints its own."""
        if self._ours and self._display is not None:
            from crossward.report.views import views_of

            self._display.print(views_of(self.folder).reported(self.folder))
