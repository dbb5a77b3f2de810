"""``python -m crossward.deploy``: everything that an operator of the aggregator or of a hospital starts.

Exit codes: 0 done; 1 it went wrong, and the message says what; 2 the options are wrong.

Not for: what the commands do (the other modules of this package).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from crossward.deploy.addresses import parted
from crossward.deploy.errors import DeployError
from crossward.deploy.node_keys import replace_node_key
from crossward.launcher.errors import LauncherError
from crossward.machine.paths import path_argument
from crossward.machine.proxies import go_direct, trouble

STARTS = ("aggregator", "hospital", "run", "local")  # commands that start Flower's processes


def say(line: str) -> None:
    """One line to whoever listens, if anybody does."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def _address(text: str) -> tuple[str, int]:
    try:
        return parted(text)
    except DeployError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m crossward.deploy", description="Run Crossward across machines.")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")

    one = commands.add_parser("init-aggregator", help="certificates, secret and aggregator.toml in a new folder")
    one.add_argument("folder", type=path_argument)
    one.add_argument("--address", type=_address, required=True, metavar="HOST:PORT", help="as hospitals reach it")
    one.add_argument("--host", default="0.0.0.0", help="interface to listen on (default: all)")
    one.add_argument("--port", type=_port, help="to listen on, behind a gateway (default: that of --address)")
    one.add_argument("--authority", type=path_argument, metavar="FOLDER", help="the CA's folder, to be kept elsewhere")
    one.add_argument(
        "--state", type=path_argument, metavar="FOLDER", help="for database and runs (default: in the new folder)"
    )

    one = commands.add_parser("renew", help="a new server certificate from the same authority")
    one.add_argument("config", type=path_argument, metavar="aggregator.toml")
    one.add_argument(
        "--authority", type=path_argument, metavar="FOLDER", help="the CA's folder (default: beside the file)"
    )

    one = commands.add_parser("aggregator", help="run the SuperLink and what runs its ServerApps")
    one.add_argument("config", type=path_argument, metavar="aggregator.toml")

    one = commands.add_parser("init-hospital", help="node key and hospital.toml in a new folder")
    one.add_argument("folder", type=path_argument)
    one.add_argument("--superlink", required=True, metavar="HOST:PORT", help="the aggregator's address")
    one.add_argument("--site", required=True, metavar="NAME", help="the name under which this hospital appears")
    one.add_argument("--data", type=path_argument, required=True, metavar="PATH", help="this hospital's notes")
    one.add_argument("--authority", type=path_argument, required=True, metavar="ca.crt", help="from the aggregator")
    one.add_argument(
        "--key", type=path_argument, metavar="consortium.key", help="where it is or will be (default: in FOLDER)"
    )
    one.add_argument("--port", type=_port, default=9094, help="on the loopback (default: %(default)s)")
    one.add_argument(
        "--state", type=path_argument, metavar="FOLDER", help="for this node's state (default: in the new folder)"
    )

    one = commands.add_parser("node-key", help="a new node key; the old one stays beside it")
    one.add_argument("config", type=path_argument, metavar="hospital.toml")

    one = commands.add_parser("check", help="find whatever would keep a hospital or the aggregator from taking part")
    one.add_argument("config", type=path_argument, metavar="aggregator.toml|hospital.toml")

    one = commands.add_parser("hospital", help="run the SuperNode")
    one.add_argument("config", type=path_argument, metavar="hospital.toml")

    one = commands.add_parser("health", help="whether the SuperLink or SuperNode answers now")
    one.add_argument("config", type=path_argument, metavar="aggregator.toml|hospital.toml")

    one = commands.add_parser("run", help="start a run and follow it")
    one.add_argument("config", type=path_argument, metavar="aggregator.toml")
    one.add_argument("--run-config", action="append", default=[], metavar="'KEY=VALUE ...'|FILE.toml")
    one.add_argument("--detach", action="store_true", help="do not follow it")

    one = commands.add_parser("local", help="a whole deployment on this machine, a run, its evaluation, a clean stop")
    one.add_argument("--folder", type=path_argument, default=Path("deployment"), help="(default: ./%(default)s)")
    one.add_argument("--hospitals", type=int, default=4, metavar="N", help="(default: %(default)s)")
    one.add_argument("--patients", type=int, default=600, metavar="N", help="of all together (default: %(default)s)")
    one.add_argument("--run-config", action="append", default=[], metavar="'KEY=VALUE ...'|FILE.toml")
    one.add_argument(
        "--drill",
        action="append",
        default=[],
        choices=("supernode", "superlink", "serverapp"),
        help="kill -9 this one under way and see the run go on; may be given again",
    )
    return made


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    args = parser().parse_args(argv)
    go_direct()
    try:
        if args.command in STARTS and (unusable := trouble(os.environ)):
            raise DeployError(unusable)
        return _do(args)
    except (DeployError, LauncherError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _do(args: argparse.Namespace) -> int:
    from crossward.deploy import aggregator, checks, hospital
    from crossward.deploy.health import answers, is_hospital

    if args.command == "init-aggregator":
        host, port = args.address
        folder, listen = args.folder, args.port or port
        state = args.state
        path = aggregator.init_aggregator(folder, host, listen, args.host, args.authority, state)
        say(f"{path}\nto every hospital: {path.parent / 'ca.crt'}; from every hospital, into nodes/: its node.pub")
        return 0
    if args.command == "renew":
        path = args.config
        names = aggregator.renew(path, args.authority or path.parent / "authority")
        say(f"a new certificate for {', '.join(names)}; restart the aggregator")
        return 0
    if args.command == "aggregator":
        return aggregator.keep_aggregator(args.config, say)
    if args.command == "init-hospital":
        folder = args.folder
        key, state = args.key or folder / "consortium.key", args.state or folder / "state"
        path = hospital.init_hospital(
            folder, args.superlink, args.site, args.data, args.authority, key, args.port, state
        )
        say(f"{path}\nto the aggregator: {folder / 'node.pub'}; then: python -m crossward.deploy check {path}")
        return 0
    if args.command == "check":
        wrong = False
        found = checks.hospital_findings if is_hospital(args.config) else checks.aggregator_findings
        for what, verdict, told in found(args.config):
            say(f"{verdict:>7}  {what}: {told}")
            wrong = wrong or verdict == checks.WRONG
        return int(wrong)
    if args.command == "health":
        well, whom = answers(args.config)
        say(f"{whom} {'answers' if well else 'does not answer'}")
        return int(not well)
    if args.command == "node-key":
        config, _ = hospital.read_hospital(args.config)
        public = replace_node_key(config.node_key)
        say(f"to the aggregator, in place of the old one: {public}; then restart the node")
        return 0
    if args.command == "hospital":
        return hospital.keep_hospital(args.config, say)
    if args.command == "run":
        from crossward.deploy.run import DeployedRun

        run = DeployedRun(aggregator.read_aggregator(args.config), args.run_config, say)
        run.submit()
        if not args.detach:
            run.follow(say)
        return 0
    from crossward.deploy.local import LocalDeployment

    return LocalDeployment(args.folder, args.hospitals, args.patients, say).whole(args.run_config, args.drill)


if __name__ == "__main__":
    raise SystemExit(main())
