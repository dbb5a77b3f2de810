"""``python -m crossward.launcher``: options, signals and exit codes.

Exit codes: 0 the run has completed (and its evaluation, which may answer another code); 1 it has failed; 2 the
options or the run config are wrong; 128 + N ended by signal N.

Not for: what a launch does (`crossward.launcher.launch`).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from crossward.launcher.errors import Interrupted, LauncherError
from crossward.launcher.launch import Launch, Options
from crossward.machine.paths import PathError, path_argument
from crossward.machine.proxies import go_direct, trouble

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value


def parser() -> argparse.ArgumentParser:
    app = Path(__file__).resolve().parents[2]
    made = argparse.ArgumentParser(
        prog="python -m crossward.launcher",
        description="Simulate a federated run on this machine and evaluate its result.",
        epilog="`python -m crossward.launcher watch RUN_FOLDER` shows what its hospitals are doing, "
        "`python -m crossward.launcher report RUN_FOLDER` draws its report again.",
    )
    add = made.add_argument
    add("--run-config", action="append", default=[], metavar="'KEY=VALUE ...'|FILE.toml", help="may be given again")
    add("--num-supernodes", type=_count, default=4, metavar="N", help="simulated hospitals (default: %(default)s)")
    add("--cpus-per-client", type=_count, default=1, metavar="N", help="(default: %(default)s)")
    add("--gpus-per-client", type=_share, default=0.0, metavar="X", help="may be a fraction (default: %(default)g)")
    add("--cpus", type=_count, default=0, metavar="N", help="for all clients together (default: what the machine has)")
    add("--runs-dir", type=path_argument, metavar="DIR", help="where run folders go (default: runs/ beside the app)")
    add("--app", type=path_argument, default=app, metavar="DIR", help="the Flower app to run (default: this one)")
    add("--no-evaluation", action="store_true", help="do not run `python -m crossward.evaluation` afterwards")
    add("--evaluation-args", default="", metavar="'...'", help="further arguments for the evaluation")
    add("--keep-superlink", action="store_true", help="leave the SuperLink up afterwards, for `flwr ls` and `flwr log`")
    add("--offline", action="store_true", help="forbid the Hugging Face libraries to look on the network")
    add("--quiet", action="store_true", help="do not show the run's log")
    return made


def options(argv: list[str] | None) -> Options:
    args = parser().parse_args(argv)
    app = args.app.resolve()
    return Options(
        app=app,
        runs_dir=(args.runs_dir or app / "runs").resolve(),
        run_config=tuple(args.run_config),
        num_supernodes=args.num_supernodes,
        cpus_per_client=args.cpus_per_client,
        gpus_per_client=args.gpus_per_client,
        cpus=args.cpus,
        evaluate=not args.no_evaluation,
        evaluation_args=args.evaluation_args,
        keep_superlink=args.keep_superlink,
        offline=args.offline,
        quiet=args.quiet,
    )


def _interrupt(signum: int, _: FrameType | None) -> None:
    # From here on the clean-up runs, which takes seconds and must not be cut short by an impatient second Ctrl-C.
    for one in _SIGNALS:
        signal.signal(one, lambda *_: None)
    raise Interrupted(signum)


def _say(line: str) -> None:
    # Whoever read this may be gone (`| head`); the run goes on and its log is in the file.
    with contextlib.suppress(OSError):
        print(line, flush=True)


def main(argv: list[str] | None = None) -> int:
    wanted = options(argv)
    go_direct()
    try:
        if unusable := trouble(os.environ):
            raise LauncherError(unusable)
        launch = Launch(wanted, _say)
    except (LauncherError, PathError) as error:
        print(f"launcher: {error}", file=sys.stderr)
        return 2
    for one in _SIGNALS:
        signal.signal(one, _interrupt)
    try:
        return launch.run()
    except LauncherError as error:
        launch.close()
        print(f"launcher: {error}", file=sys.stderr)
        return 1
    except Interrupted as interrupted:
        print(f"launcher: stopping ({signal.Signals(interrupted.signum).name}) ...", file=sys.stderr, flush=True)
        return 128 + interrupted.signum
    finally:
        launch.close()
