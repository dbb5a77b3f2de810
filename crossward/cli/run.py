"""``crossward run`` and ``crossward resume``: a simulated run on this machine, then its evaluation.

Exit codes: 0 the run completed (and its evaluation, which may return another code); 1 it failed; 2 the options or the
run config are wrong; 128 + N ended by signal N.

Not for: what a launch does (`crossward.launcher.launch`), or runs of a deployment (``crossward.cli.deploy``).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from crossward.cli.common import APP, PATH, USAGE, RunConfig, RunFolder, example, failing
from crossward.machine.signals import ENDING, handled

if TYPE_CHECKING:
    from crossward.launcher.options import Options

_CPUS = "CPU cores of each simulated hospital."
_GPUS = "GPUs of each simulated hospital; may be a fraction."

CpusPerClient = Annotated[int, typer.Option(min=1, metavar="N", help=_CPUS)]
GpusPerClient = Annotated[float, typer.Option(min=0, max=1024, metavar="X", help=_GPUS)]
Model = Annotated[
    str,
    typer.Option(
        metavar="FOLDER|HUB_ID",
        show_default=False,
        help="Base model; it sets what you leave unset.",
    ),
]
Notes = Annotated[
    Path | None,
    typer.Option(
        click_type=PATH,
        metavar="FILE",
        show_default=False,
        help="A CSV or JSONL file of notes, or MIMIC's folder; usual columns are found.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Read the notes, try the model, print memory and time, and stop.")
]
Callbacks = Annotated[
    list[str] | None,
    typer.Option("--callback", metavar="MODULE:CLASS", help="Your class; it gets every event and may stop the run."),
]
Cpus = Annotated[int | None, typer.Option(min=1, metavar="N", help="CPU cores in total (default: all).")]
EvaluationArgs = Annotated[str, typer.Option(metavar="'...'", help="Further options for `crossward evaluate`.")]
NoEvaluation = Annotated[bool, typer.Option("--no-evaluation", help="Do not evaluate the result.")]
Offline = Annotated[bool, typer.Option("--offline", help="Keep the Hugging Face libraries off the network.")]
KeepSuperlink = Annotated[bool, typer.Option("--keep-superlink", help="Leave the SuperLink running, for `flwr log`.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Do not show the run's progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every line of the run's log.")]
Application = Annotated[
    Path, typer.Option("--app", click_type=PATH, metavar="DIR", show_default=False, help="Another Flower app to run.")
]


def run(
    run_config: RunConfig = None,
    model: Model = "",
    notes: Notes = None,
    dry_run: DryRun = False,
    scenario: Annotated[str, typer.Option(metavar="NAME", show_default=False, help="Or vertical, or transfer.")] = "",
    num_supernodes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Simulated hospitals (4), or parties (3).")
    ] = None,
    cpus_per_client: CpusPerClient = 1,
    gpus_per_client: GpusPerClient = 0.0,
    cpus: Cpus = None,
    runs_dir: Annotated[
        Path | None,
        typer.Option(click_type=PATH, metavar="DIR", help="Directory for run folders (default: runs/ beside the app)."),
    ] = None,
    callback: Callbacks = None,
    evaluation_args: EvaluationArgs = "",
    no_evaluation: NoEvaluation = False,
    offline: Offline = False,
    keep_superlink: KeepSuperlink = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    app: Application = APP,
) -> int:
    """Simulate a federated run on this machine and evaluate its result."""
    from crossward.launcher.options import Options

    app = app.resolve()
    return launch(
        Options(
            app=app,
            runs_dir=(runs_dir or app / "runs").resolve(),
            run_config=(*_with_callbacks(run_config, callback), *([f"run.scenario={scenario!r}"] if scenario else ())),
            model=model,
            notes=notes,
            dry_run=dry_run,
            num_supernodes=num_supernodes or 0,
            cpus_per_client=cpus_per_client,
            gpus_per_client=gpus_per_client,
            cpus=cpus or 0,
            evaluate=not no_evaluation,
            evaluation_args=evaluation_args,
            keep_superlink=keep_superlink,
            offline=offline,
            quiet=quiet,
            verbose=verbose,
        )
    )


def resume(
    folder: RunFolder,
    run_config: RunConfig = None,
    num_supernodes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Simulated hospitals (default: as many as before).")
    ] = None,
    cpus_per_client: CpusPerClient = 1,
    gpus_per_client: GpusPerClient = 0.0,
    cpus: Cpus = None,
    callback: Callbacks = None,
    evaluation_args: EvaluationArgs = "",
    no_evaluation: NoEvaluation = False,
    offline: Offline = False,
    keep_superlink: KeepSuperlink = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Continue an interrupted run from its last version, with its own settings."""
    from crossward.launcher.errors import LauncherError
    from crossward.launcher.options import Options
    from crossward.launcher.resume import begun

    with failing(LauncherError, code=USAGE):
        settings, hospitals = begun(folder, APP)
    return launch(
        Options(
            app=APP,
            runs_dir=folder.parent,
            run_config=_with_callbacks(run_config, callback),
            resumed=settings,
            num_supernodes=num_supernodes or hospitals,
            cpus_per_client=cpus_per_client,
            gpus_per_client=gpus_per_client,
            cpus=cpus or 0,
            evaluate=not no_evaluation,
            evaluation_args=evaluation_args,
            keep_superlink=keep_superlink,
            offline=offline,
            quiet=quiet,
            verbose=verbose,
        )
    )


def _with_callbacks(run_config: list[str] | None, callbacks: list[str] | None) -> tuple[str, ...]:
    return (*(run_config or ()), *([f"run.callbacks='{','.join(callbacks)}'"] if callbacks else ()))


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(
        epilog=example("crossward run --model HuggingFaceTB/SmolLM2-135M-Instruct --notes reports.csv --dry-run")
    )(run)
    app.command(epilog=example("crossward resume runs/20261130T082138Z-91350b"))(resume)


def _interrupt(signum: int, _: FrameType | None) -> None:
    from crossward.launcher.errors import Interrupted

    # From here on the clean-up runs, which takes seconds and must not be cut short by an impatient second Ctrl-C.
    for one in ENDING:
        signal.signal(one, lambda *_: None)
    raise Interrupted(signum)


def launch(wanted: Options) -> int:
    """Run what is wanted to its end, also where a signal ends it; the exit code."""
    from crossward.internals.check import InternalsError
    from crossward.launcher.display import Display
    from crossward.launcher.errors import Interrupted, LauncherError
    from crossward.launcher.launch import Launch
    from crossward.machine.paths import PathError
    from crossward.machine.proxies import go_direct, trouble

    go_direct()
    with Display(quiet=wanted.quiet, verbose=wanted.verbose) as display:
        with failing(LauncherError, PathError, code=USAGE):
            if unusable := trouble(os.environ):
                raise LauncherError(unusable)
            launch = Launch(wanted, display)
        with handled(_interrupt):
            try:
                with failing(LauncherError, InternalsError):
                    return launch.run()
            except Interrupted as interrupted:
                name = signal.Signals(interrupted.signum).name
                print(f"crossward run: stopping ({name}) ...", file=sys.stderr, flush=True)
                return 128 + interrupted.signum
            finally:
                launch.close()
