"""A hospital behind a slow, lossy link, for real: ``python -m benchmarks.slow_link [--megabytes 100] [--json FILE]``.

A SuperLink over TLS and four SuperNodes with keys on this machine, one of them in a network namespace behind 2 Mbit/s,
200 ms and lost packets (``benchmarks.slow_link.link``). Updates have the size of a large model's; a local training only
waits and draws numbers (``benchmarks.encryption.large_client``). The run is under BFV, as these ClientApps have no seat
on a committee. Measured: does any timeout end anything, what does the link carry, what bandwidth does the server find,
and are the other hospitals held up?

Needs Linux, root and ip. Takes about an hour with 100 MB: an update crosses 2 Mbit/s in seven minutes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.encryption.grid import write_large_app
from benchmarks.harness.command import parse, parser, say, write_json
from benchmarks.harness.figures import Row
from benchmarks.harness.tables import cell, show, table
from benchmarks.slow_link.link import Link
from crossward.deploy.aggregator import AggregatorConfig, healthy, init_aggregator, read_aggregator
from crossward.deploy.hospital import init_hospital
from crossward.deploy.run import APP, DeployedRun
from crossward.encryption.key_file import simulation_key
from crossward.launcher.processes import ProcessTree
from crossward.ledger import events
from crossward.ledger.file import FILE_NAME, LedgerError
from crossward.ledger.lines import read_events
from crossward.machine.ports import free_ports

HOSPITALS, SLOW = 4, 1
BYTES_A_VALUE = 3.79  # the balanced preset's uplink; a sum of any number of versions is twice as large
LLAMA = 41_943_040  # values of Llama-3.1-8B's adapter at rank 16


def _wait(what: str, holds: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.2)


def _members(path: Path) -> int:
    try:
        return len(json.loads(path.read_text()))
    except (OSError, ValueError):
        return 0


SHOWN = (events.Version, events.Failed, events.Left, events.Joined, events.Finished)


def events_in(folder: Path) -> list[events.Event]:
    """The run's ledger so far."""
    try:
        return list(read_events(folder / FILE_NAME))
    except (OSError, LedgerError):
        return []


def row(found: list[events.Event], mine: bool) -> dict[str, Any]:
    """What became of the slow hospital's tasks, or of the others'."""
    site = f"large-{SLOW}"
    accepted = [event for event in found if isinstance(event, events.Accepted) and (event.site == site) == mine]
    nodes = {update.node for update in accepted}
    tasks = [event for event in found if isinstance(event, events.Dispatched) and event.node in nodes]
    deadlines = {task.task: task.deadline_seconds for task in tasks}
    refused = [event for event in found if isinstance(event, events.Refused) and event.node in nodes]
    return {
        "tasks": len(tasks),
        "accepted": len(accepted),
        "other_outcomes": [f"{event.name}: {event.reason}" for event in refused],
        "mb_up": max((update.bytes for update in accepted), default=0) / 1e6,
        "mb_down": max((task.bytes for task in tasks), default=0) / 1e6,
        "round_trips": [update.seconds for update in accepted],
        "deadlines": [deadlines[update.task] for update in accepted],
        "bandwidth": accepted[-1].bandwidth if accepted else None,
    }


def measure(megabytes: float, versions: int, link: Link, compute: float, updates: int) -> dict[str, Any]:
    """The run, until the slow hospital has had ``updates`` accepted."""
    tree = ProcessTree()
    with tempfile.TemporaryDirectory(prefix="crossward-link-") as temporary:
        folder = Path(temporary)
        app = write_large_app(folder / "app", min(megabytes * 1e6 / BYTES_A_VALUE / LLAMA, 1.0), compute)
        config, commands = _prepare(folder, link)
        try:
            _start(tree, folder, config, commands)
            settings = (
                f"strategy.num-versions={versions} strategy.buffer-size=3 strategy.min-nodes={HOSPITALS} "
                "strategy.evaluate-every=0 run.alone=false encryption.scheme=bfv "
                "encryption.preset=balanced strategy.max-staleness=1000"
            )
            run = DeployedRun(config, [settings], say, app)
            run.submit()
            found = _follow(run, updates)
            run.stop()
        except BaseException:
            for path in sorted(folder.glob("*.log")):
                say(f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-15:]))
            raise
        finally:
            tree.stop()
    return _figures(found, link)


def _prepare(folder: Path, link: Link) -> tuple[AggregatorConfig, list[list[str]]]:
    """Files of an aggregator and its hospitals, the slow one behind the link, and the commands that start them."""
    home = folder / "home"
    simulation_key(home / "keys")
    port = free_ports(1)[0]
    config_path = init_aggregator(folder / "aggregator", link.near, port, "0.0.0.0")
    config = read_aggregator(config_path)
    path = os.pathsep.join(filter(None, [str(APP), os.environ.get("PYTHONPATH", "")]))
    os.environ.update({"CROSSWARD_HOME": str(home), "PYTHONPATH": path})
    commands = [[sys.executable, "-m", "crossward", "deploy", "aggregator", str(config_path)]]
    for number, own in enumerate(free_ports(HOSPITALS)):
        place = folder / f"hospital-{number}"
        address = f"{link.near if number == SLOW else '127.0.0.1'}:{port}"
        file = init_hospital(place, address, f"large-{number}", place, config.authority, home, own)
        with file.open("a") as out:
            out.write(f"partition-id = {number}\nnum-partitions = {HOSPITALS}\n")
        (config.nodes / f"{place.name}.pub").write_bytes((place / "node.pub").read_bytes())
        inside = link.inside if number == SLOW else []
        commands.append([*inside, sys.executable, "-m", "crossward", "deploy", "hospital", str(file)])
    return config, commands


def _start(tree: ProcessTree, folder: Path, config: AggregatorConfig, commands: list[list[str]]) -> None:
    """The aggregator first; the hospitals once it answers and knows them."""
    for number, command in enumerate(commands):
        with (folder / f"{number}.log").open("wb") as log:
            tree.start(command, stdout=log, stderr=log, cwd=folder)
        if number == 0:
            _wait("the SuperLink's answer", lambda: healthy(config), 60)
            _wait("registering", lambda: _members(config.state / "members.json") == HOSPITALS, 60)


def _follow(run: DeployedRun, updates: int) -> list[events.Event]:
    """The ledger's events once the slow hospital has had ``updates`` accepted, or the run has finished."""
    _wait("the first task", lambda: events_in(run.folder), 120)
    shown = 0
    while True:
        found = events_in(run.folder)
        for event in found[shown:]:
            if isinstance(event, SHOWN) or (isinstance(event, events.Accepted) and event.site == f"large-{SLOW}"):
                say("  " + " ".join(str(getattr(event, k, "")) for k in ("name", "version", "site", "reason")))
        shown = len(found)
        if row(found, True)["accepted"] >= updates or any(isinstance(event, events.Finished) for event in found):
            return found
        if run.flower.status(run.run_id)[0].startswith("finished"):
            raise RuntimeError(f"the run ended: {run.flower.status(run.run_id)}")
        time.sleep(5)


def _figures(found: list[events.Event], link: Link) -> dict[str, Any]:
    made = [event for event in found if isinstance(event, events.Version) and event.seconds is not None]
    with_slow = [version.seconds or 0.0 for version in made if f"large-{SLOW}" in version.sites]
    without = [version.seconds or 0.0 for version in made if f"large-{SLOW}" not in version.sites]
    return {
        "versions": len(made),
        "slow": row(found, True),
        "others": row(found, False),
        "left": sum(isinstance(event, events.Left) for event in found),
        "seconds_a_version_with": statistics.median(with_slow) if with_slow else None,
        "seconds_a_version_without": statistics.median(without) if without else None,
        "packets": {"carried": link.up.carried + link.down.carried, "lost": link.up.lost + link.down.lost},
        "link_mb": {"up": link.up.bytes / 1e6, "down": link.down.bytes / 1e6},
    }


def _middle(name: str) -> Callable[[Row], float | None]:
    """The median of a row's ``name``."""
    return lambda row: statistics.median(row[name]) if row[name] else None


def link_table(found: Row, mbit: float) -> Table:
    """The figures for people."""
    rows: dict[str, tuple[Callable[[Row], Any], str]] = {
        "updates accepted": (lambda r: r["accepted"], ""),
        "tasks that came to nothing": (lambda r: len(r["other_outcomes"]), ""),
        "MB up, an update": (lambda r: r["mb_up"], ".1f"),
        "MB down, a task (largest)": (lambda r: r["mb_down"], ".1f"),
        "round trip, s (median)": (_middle("round_trips"), ".1f"),
        "longest round trip, s": (lambda r: max(r["round_trips"], default=0.0), ".1f"),
        "last deadline, s": (lambda r: r["deadlines"][-1] if r["deadlines"] else None, ".0f"),
        "bandwidth as measured, Mbit/s": (lambda r: r["bandwidth"] or None, ".2f"),
    }
    title = f"One hospital behind {mbit:g} Mbit/s, 200 ms and lost packets; {found['versions']} versions made"
    out = table(title, "", "slow hospital", "the three others")
    for name, (figure, form) in rows.items():
        out.add_row(name, *(cell(figure(found[who]), form) for who in ("slow", "others")))
    return out


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    p = parser("slow_link", __doc__)
    p.add_argument("--megabytes", type=float, default=100.0, help="of an update (default: %(default)g)")
    p.add_argument("--mbit", type=float, default=2.0, help="of the slow link (default: %(default)g)")
    p.add_argument("--loss", type=float, default=0.005, help="share of packets lost (default: %(default)g)")
    p.add_argument("--compute", type=float, default=60.0, help="seconds of a local training (default: %(default)g)")
    p.add_argument("--updates", type=int, default=2, help="of the slow hospital to wait for (default: %(default)s)")
    args = parse(p, argv, megabytes=1.0, compute=1.0)
    if os.geteuid() or subprocess.run(["ip", "netns"], capture_output=True, check=False).returncode:
        say("a network namespace needs root and iproute2: nothing was measured")
        return 2
    with Link("crossward", args.mbit, 0.1, args.loss) as link:
        found = measure(args.megabytes, 100_000, link, args.compute, args.updates)
    pace = [found[f"seconds_a_version_{how}"] for how in ("without", "with")]
    said = [cell(seconds, ".1f", " s") for seconds in pace]
    show(
        link_table(found, args.mbit),
        f"A version took {said[0]} without the slow hospital in it and {said[1]} with it (medians).",
        f"Packets carried {found['packets']['carried']}, lost {found['packets']['lost']}.",
        *(f"slow hospital: {reason}" for reason in found["slow"]["other_outcomes"]),
    )
    write_json(args.json, found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
