"""``crossward deploy``: everything that an operator of the aggregator or of a hospital starts.

Exit codes: 0 done; 1 it went wrong, and the message says what; 2 the options are wrong; 130 interrupted.

Not for: what the commands do (``crossward.deploy``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from crossward.cli.common import FAILED, PATH, RunConfig, example, failing, say
from crossward.cli.data import Form

EITHER = "aggregator.toml|hospital.toml"


class DrillTarget(StrEnum):
    """What a drill kills."""

    supernode = "supernode"
    member = "member"
    superlink = "superlink"
    serverapp = "serverapp"


Folder = Annotated[Path, typer.Argument(click_type=PATH, help="The new folder.")]
AggregatorFile = Annotated[Path, typer.Argument(click_type=PATH, metavar="aggregator.toml", help="Its configuration.")]
HospitalFile = Annotated[Path, typer.Argument(click_type=PATH, metavar="hospital.toml", help="Its configuration.")]
EitherFile = Annotated[Path, typer.Argument(click_type=PATH, metavar=EITHER, help="The service's configuration file.")]

deploy = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@contextlib.contextmanager
def _operating(starts: bool = False) -> Iterator[None]:
    """Expected errors end the command; ``starts``: it starts Flower's processes, which proxies may keep apart."""
    from crossward.deploy.errors import DeployError
    from crossward.internals.check import InternalsError
    from crossward.launcher.errors import LauncherError
    from crossward.machine.proxies import go_direct, trouble

    go_direct()
    with failing(DeployError, LauncherError, InternalsError):
        if starts and (unusable := trouble(os.environ)):
            raise DeployError(unusable)
        yield


def _address(text: str) -> tuple[str, int]:
    from crossward.deploy.addresses import parted
    from crossward.deploy.errors import DeployError

    try:
        return parted(text)
    except DeployError as error:
        raise typer.BadParameter(str(error)) from error


@deploy.command(epilog=example("crossward deploy init-aggregator aggregator --address hub.example.org:443 --port 9092"))
def init_aggregator(
    folder: Folder,
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="As hospitals reach it.")],
    host: Annotated[str, typer.Option(help="The interface to listen on.")] = "0.0.0.0",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="N", help="To listen on (default: that of --address).")
    ] = None,
    authority: Annotated[
        Path | None, typer.Option(click_type=PATH, metavar="FOLDER", help="The CA's folder, to be kept elsewhere.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(click_type=PATH, metavar="FOLDER", help="For database and runs (default: inside).")
    ] = None,
) -> int:
    """Make certificates, a secret and aggregator.toml in a new folder."""
    name, public = _address(address)
    with _operating():
        from crossward.deploy import aggregator

        path = aggregator.init_aggregator(folder, name, port or public, host, authority, state)
    say(f"{path}\nto every hospital: {path.parent / 'ca.crt'}; from every hospital, into nodes/: its node.pub")
    return 0


@deploy.command(epilog=example("crossward deploy renew aggregator/aggregator.toml"))
def renew(
    config: AggregatorFile,
    authority: Annotated[
        Path | None, typer.Option(click_type=PATH, metavar="FOLDER", help="The CA's folder (default: beside the file).")
    ] = None,
) -> int:
    """Make a new server certificate from the same authority."""
    with _operating():
        from crossward.deploy import aggregator

        names = aggregator.renew(config, authority or config.parent / "authority")
    say(f"a new certificate for {', '.join(names)}; restart the aggregator")
    return 0


@deploy.command(epilog=example("crossward deploy aggregator aggregator/aggregator.toml"))
def aggregator(config: AggregatorFile) -> int:
    """Run the SuperLink and what runs its ServerApps; restart what ends."""
    with _operating(starts=True):
        from crossward.deploy.aggregator import keep_aggregator

        return keep_aggregator(config, say)


@deploy.command(
    epilog=example(
        "crossward deploy init-hospital hospital --superlink hub.example.org:443 --site NAME --data /notes "
        "--authority ca.crt"
    )
)
def init_hospital(
    folder: Folder,
    superlink: Annotated[str, typer.Option(metavar="HOST:PORT", help="The aggregator's address.")],
    site: Annotated[str, typer.Option(metavar="NAME", help="The name under which this hospital appears.")],
    data: Annotated[
        Path, typer.Option(click_type=PATH, metavar="PATH", help="This hospital's notes, or its notes.toml.")
    ],
    authority: Annotated[Path, typer.Option(click_type=PATH, metavar="ca.crt", help="From the aggregator.")],
    key: Annotated[
        Path | None,
        typer.Option(
            click_type=PATH, metavar="consortium.key", help="Where it is or will be (default: in the folder)."
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, metavar="N", help="A port on the loopback.")] = 9094,
    state: Annotated[
        Path | None, typer.Option(click_type=PATH, metavar="FOLDER", help="For this node's state (default: inside).")
    ] = None,
    roster: Annotated[
        Path | None, typer.Option(click_type=PATH, metavar="FILE", help="Where it will be (default: beside the key).")
    ] = None,
    identity: Annotated[
        bool, typer.Option("--identity/--no-identity", help="Make the identity in the state folder now.")
    ] = True,
) -> int:
    """Make keys and hospital.toml in a new folder."""
    with _operating():
        from crossward.deploy import hospital

        key = key or folder / "consortium.key"
        path = hospital.init_hospital(
            folder, superlink, site, data, authority, key, port, state or folder / "state", roster, identity
        )
    say(f"{path}\nto the aggregator: {folder / 'node.pub'}")
    if identity:
        _send_identity(folder / hospital.IDENTITY_PUBLIC)
    else:
        say(f"where the node runs: crossward deploy identity {path}")
    say(f"then: crossward deploy check {path}")
    return 0


def _send_identity(public: Path) -> None:
    """What becomes of ``identity.pub``, and what of it to compare."""
    from crossward.cli.members_lines import short

    say(f"to the hospital that makes the roster: {public}")
    say(f"read out to it by telephone: {short(public.read_text(encoding='utf-8'))}")


@deploy.command(epilog=example("crossward deploy node-key hospital/hospital.toml"))
def node_key(config: HospitalFile) -> int:
    """Make a new node key; the old one stays beside it."""
    with _operating():
        from crossward.deploy.hospital import read_hospital
        from crossward.deploy.node_keys import replace_node_key

        public = replace_node_key(read_hospital(config)[0].node_key)
    say(f"to the aggregator, in place of the old one: {public}; then restart the node")
    return 0


@deploy.command(epilog=example("crossward deploy identity hospital/hospital.toml"))
def identity(
    config: HospitalFile,
    new: Annotated[bool, typer.Option("--new", help="Make another; the old one stays beside it.")] = False,
) -> int:
    """Print the public half of the hospital's identity, made on first use, and put it beside hospital.toml."""
    with _operating():
        from crossward.deploy.roster import public_identity

        say(public_identity(config, new).strip())
    return 0


@deploy.command(epilog=example("crossward deploy roster hospital/hospital.toml roster-2.json"))
def roster(
    config: HospitalFile,
    file: Annotated[Path, typer.Argument(click_type=PATH, metavar="ROSTER", help="The roster that all have signed.")],
    new: Annotated[
        bool, typer.Option("--new", help="Start anew: whichever was in force before, this one need not follow it.")
    ] = False,
) -> int:
    """Put a roster in force at this hospital, if it follows the one that is."""
    with _operating():
        from crossward.deploy.roster import put_in_force

        book, name = put_in_force(config, file, new)
    say(f"{name} follows roster {book.roster.fingerprint[:16]}, revision {book.roster.revision}, from its next task on")
    return 0


@deploy.command(epilog=example("crossward deploy check hospital/hospital.toml"))
def check(config: EitherFile) -> int:
    """Find whatever would keep a hospital or the aggregator from taking part."""
    wrong = False
    with _operating():
        from crossward.deploy import checks
        from crossward.deploy.health import is_hospital

        found = checks.hospital_findings if is_hospital(config) else checks.aggregator_findings
        for what, verdict, message in found(config):
            say(f"{verdict:>7}  {what}: {message}")
            wrong = wrong or verdict == checks.WRONG
    return FAILED if wrong else 0


@deploy.command(epilog=example("crossward deploy hospital hospital/hospital.toml"))
def hospital(config: HospitalFile) -> int:
    """Run the SuperNode; restart it when it ends."""
    with _operating(starts=True):
        from crossward.deploy.hospital import keep_hospital

        return keep_hospital(config, say)


@deploy.command(epilog=example("crossward deploy health hospital/hospital.toml"))
def health(config: EitherFile) -> int:
    """Say whether the SuperLink or SuperNode answers now."""
    with _operating():
        from crossward.deploy.health import answers

        well, whom = answers(config)
    say(f"{whom} {'answers' if well else 'does not answer'}")
    return 0 if well else FAILED


@deploy.command(
    epilog=example('crossward deploy run aggregator/aggregator.toml --run-config "data.source=mimic-iii" --detach')
)
def run(
    config: AggregatorFile,
    run_config: RunConfig = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not follow it.")] = False,
) -> int:
    """Start a run on the deployed SuperLink and follow it."""
    with _operating(starts=True):
        from crossward.deploy.aggregator import read_aggregator
        from crossward.deploy.run import DeployedRun

        started = DeployedRun(read_aggregator(config), run_config or [], say)
        started.submit()
        if not detach:
            started.follow(say)
    return 0


@deploy.command(epilog=example("crossward deploy local --hospitals 4 --drill superlink"))
def local(
    folder: Annotated[
        Path, typer.Option(click_type=PATH, metavar="FOLDER", show_default="./deployment", help="Folder for all files.")
    ] = Path("deployment"),
    hospitals: Annotated[int, typer.Option(metavar="N", help="How many.")] = 4,
    patients: Annotated[int, typer.Option(metavar="N", help="Of all hospitals together.")] = 600,
    form: Annotated[
        list[Form] | None,
        typer.Option(
            help="What the first hospital's notes are, the second's, and so on in turn; repeatable.",
            show_default="mimic-iii",
        ),
    ] = None,
    parties: Annotated[
        bool, typer.Option("--parties", help="Three parties with other features of the same patients instead.")
    ] = False,
    run_config: RunConfig = None,
    drill: Annotated[
        list[DrillTarget] | None,
        typer.Option(help="SIGKILL this process during the run, which recovers; repeatable."),
    ] = None,
) -> int:
    """Try out a whole deployment on this machine: a run, its evaluation, a clean stop."""
    with _operating(starts=True):
        from crossward.deploy.local import LocalDeployment

        if parties:
            from crossward.deploy.parties import LocalParties

            deployment: LocalDeployment = LocalParties(folder, patients, say)
        else:
            deployment = LocalDeployment(folder, hospitals, patients, say, [one.value for one in form or ()])
        return deployment.whole(run_config or [], [one.value for one in drill or ()])


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(deploy, name="deploy", help="Run Crossward across machines: the aggregator, the hospitals, a run.")
