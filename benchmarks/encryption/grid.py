"""The large adapter through a real ``flwr run``: peak memory of the ServerApp's process and of every ClientApp's.

A small Flower app is written into a temporary folder: the project's own ServerApp, and ClientApps that do everything
but train (``benchmarks.encryption.large_client``). The kernel's high-water mark of every process of the run is read
several times a second. In Flower's simulation the ServerApp shares its process with the engine, which holds the
messages on their way in memory; a deployment keeps those in the SuperLink.

The run is under BFV: these ClientApps have no seat on a committee.

Not for: speed; simulated hospitals share the cores.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks.encryption.sizes import llama_blocks
from benchmarks.harness.command import say
from benchmarks.harness.peak import peak_of, private_now
from benchmarks.harness.processes import run_app, write_app
from crossward.ledger.events import Accepted, Dispatched
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events

SERVER = '"""The project\'s own ServerApp."""\n\nfrom server_app.app import app\n\n__all__ = ["app"]\n'
NODES = """\"\"\"Nodes with a large adapter.\"\"\"

from benchmarks.encryption.large_client import large_app

app = large_app({share!r}, {compute!r})
"""
KINDS = {  # a word of the command line -> what the process is
    "flwr-simulation": "ServerApp and engine",
    "ClientAppActor": "ClientApp",
    "multiprocessing.spawn": "sealing process",
}


class Peaks:
    """Peak memory of every descendant, while a block runs: all of it, and what is its own alone."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[str, float, float]] = {}

    def _look(self) -> None:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline())
                kind = next((kind for word, kind in KINDS.items() if word in words), "")
                before = self._found.get(process.pid, ("", 0.0, 0.0))
                private = max(before[2], private_now(process.pid))
                self._found[process.pid] = (kind or before[0], max(before[1], peak_of(process.pid)), private)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look five times a second."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.2):
                self._look()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def of(self, kind: str) -> list[float]:
        """Peaks of the processes of a kind, MiB, largest first."""
        return sorted((peak for found, peak, _ in self._found.values() if found == kind), reverse=True)

    def private(self, kind: str) -> float:
        """The largest that a process of a kind had of its own at a look, MiB: without Ray's shared store."""
        return max((mine for found, _, mine in self._found.values() if found == kind), default=0.0)


def write_large_app(folder: Path, share: float, compute: float = 0.0) -> Path:
    """The Flower app; a local training takes at least ``compute`` seconds."""
    return write_app(folder, SERVER, NODES.format(share=share, compute=compute))


def measure(preset: str, nodes: int, versions: int, cores: int, share: float) -> dict[str, Any]:
    """A run of ``nodes`` nodes whose updates all enter each of ``versions`` versions."""
    settings = (
        f"strategy.num-versions={versions} strategy.buffer-size={nodes} strategy.min-nodes={nodes} "
        f"strategy.evaluate-every=0 run.alone=false encryption.scheme=bfv encryption.preset={preset} "
        "simulation.links-mbit=''"
    )
    with tempfile.TemporaryDirectory(prefix="crossward-grid-") as temporary:
        app, runs, home = (Path(temporary) / name for name in ("app", "runs", "home"))
        write_large_app(app, share)
        os.environ["CROSSWARD_HOME"] = str(home)
        say(f"a real run of {nodes} nodes with {sum(llama_blocks(share)):,} values each, {versions} versions, {preset}")
        peaks = Peaks()
        with peaks.watched():
            folder = run_app(app, runs, settings, nodes=nodes, cpus=min(cores, nodes))
        events = list(read_events(folder / FILE_NAME))
        result = json.loads((folder / "result.json").read_text())
    accepted = [event for event in events if isinstance(event, Accepted)]
    return {
        "preset": preset,
        "nodes": nodes,
        "values": sum(llama_blocks(share)),
        "versions": result["version"],
        "accepted": len(accepted),
        "bytes_up": max(update.bytes for update in accepted),
        "bytes_down": max((event.bytes for event in events if isinstance(event, Dispatched)), default=0),
        "server_mib": max(peaks.of("ServerApp and engine"), default=0.0),
        "server_private_mib": peaks.private("ServerApp and engine"),
        "clients_mib": peaks.of("ClientApp"),
        "client_private_mib": peaks.private("ClientApp"),
        "sealing_processes_mib": peaks.of("sealing process"),
        "delta_mib": 4 * sum(llama_blocks(share)) / 2**20,
    }
