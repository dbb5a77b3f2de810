"""``crossward deploy run``: a run on a deployed SuperLink, followed until it ends, and how it ended.

A run goes on when the terminal that follows it is closed; ``--detach`` does not follow it in the first place.

Not for: simulated runs (``crossward.launcher``).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from crossward.config.run_config import RunConfig
from crossward.config.run_settings import RunSettings
from crossward.config.settings import SettingsError, resolve_paths
from crossward.deploy.aggregator import AggregatorConfig, control
from crossward.launcher.errors import LauncherError
from crossward.launcher.folder import check_new, check_resumed, new_log
from crossward.launcher.launch import FOLDER_KEY, MARKER, RESUME_KEY, run_name, stamp
from crossward.launcher.lines import Screen
from crossward.launcher.overrides import app_defaults, read_overrides, to_toml
from crossward.launcher.processes import ProcessTree
from crossward.launcher.watch import Watch
from crossward.machine.waiting import announced

APP = Path(__file__).resolve().parents[2]


class DeployedRun:
    """One run: :meth:`submit`, then :meth:`follow`. ``folder`` is where its run folder will be."""

    def __init__(
        self, config: AggregatorConfig, run_config: Sequence[str], say: Callable[[str], None], app: Path = APP
    ) -> None:
        self.app = app
        defaults = app_defaults(app)
        overrides = read_overrides(run_config, defaults)
        try:
            overrides = resolve_paths([RunSettings], overrides)  # of this machine; all others are of the hospitals'
        except SettingsError as error:
            raise LauncherError(f"run config: {error}") from error
        if app == APP:
            try:
                RunConfig.read(defaults | overrides)
            except SettingsError as error:
                raise LauncherError(str(error)) from error
        resumed = overrides.get(RESUME_KEY)
        chosen = resumed or overrides.get(FOLDER_KEY) or config.runs / run_name(datetime.now(UTC))
        self.folder = Path(str(chosen))
        (check_resumed if resumed else check_new)(self.folder)
        self._text = to_toml(overrides | {RESUME_KEY if resumed else FOLDER_KEY: str(self.folder)})
        self.tree, self._say, self.run_id = ProcessTree(), say, ""
        self.flower = control(config, self.tree)
        self.log = self._logs = config.state / "logs"  # a file in it, once the run has an id
        self._before = stamp(self.folder / MARKER)

    def submit(self) -> str:
        """Hand the run to the SuperLink; its id."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", suffix=".toml", dir=self.flower.home, encoding="utf-8") as file:
            file.write(self._text)
            file.flush()
            with announced(self._say, "waiting for the SuperLink to accept the run"):
                self.run_id = self.flower.run(self.app, Path(file.name))
        self.log = new_log(self._logs, f"{self.folder.name}-{self.run_id}")
        self._say(f"run {self.run_id} in {self.folder}")
        return self.run_id

    def stop(self) -> None:
        """End the run, if it has not ended."""
        with contextlib.suppress(LauncherError):
            self.flower.stop_run(self.run_id)

    def follow(self, show: Callable[[str], None], worker: str = "") -> None:
        """Show the run's log until it has ended.

        ``worker`` names the ServerApp's process if it is below this one: Flower takes a minute to notice that it is
        gone.

        Raises
        ------
        LauncherError
            it did not complete; says how it ended.
        """
        ending = Watch(self.flower, self.tree, self.run_id, self.log, Screen(show), self._say, worker=worker).follow()
        if not ending.completed:
            raise LauncherError(f"the run has failed: {ending.status}: {ending.details}\nits log: {self.log}")
        if stamp(self.folder / MARKER) == self._before:
            raise LauncherError(
                f"Flower reports that the run completed, but {self.folder} has no new {MARKER}\nits log: {self.log}"
            )
