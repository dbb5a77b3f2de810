"""``python -m benchmarks.overhead``: what one simulated message costs outside the training loop.

Starts a real ``flwr run`` with one task at a time and no pretended links, whose server looks for replies ten times as
often as usual, and reads its ledger: round trip at the server, handler, training loop. The first message of every
process (it loads the model) is reported apart.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from crossward.launcher.overrides import app_defaults, to_toml
from crossward.ledger.events import Accepted, read_events
from crossward.ledger.file import FILE_NAME
from crossward.machine.paths import path_argument

ROOT = Path(__file__).resolve().parents[2]
CONFIG = (
    'simulation.links-mbit="" strategy.concurrency=1 strategy.num-versions={versions} strategy.evaluate-every=0 '
    "strategy.buffer-size=3 run.alone=false train.local-steps={steps}"
)
PROJECT = """[project]
name = "overhead"
version = "0.1.0"
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "crossward"

[tool.flwr.app.components]
serverapp = "eager_server:app"
clientapp = "usual_nodes:app"

[tool.flwr.app.config]
"""
SERVER = """\"\"\"The project's own ServerApp, which looks for replies more often.\"\"\"

from dataclasses import replace

from server_app import app as product

read = product.RunConfig.read


class Eager(product.RunConfig):
    @staticmethod
    def read(values):
        config = read(values)
        return replace(config, strategy=replace(config.strategy, poll_seconds=0.02))


product.RunConfig = Eager
app = product.app
"""
NODES = '"""The project\'s own ClientApp."""\n\nfrom client_app.app import app\n\n__all__ = ["app"]\n'


def write_app(folder: Path) -> Path:
    """The Flower app in ``folder``, with the defaults of the project's own."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT + to_toml(app_defaults(ROOT)), "utf-8")
    (folder / "eager_server.py").write_text(SERVER, "utf-8")
    (folder / "usual_nodes.py").write_text(NODES, "utf-8")
    return folder


def main() -> None:
    """Run and print."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    p.add_argument("--versions", type=int, default=6)
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--json", type=path_argument, metavar="FILE")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "crossward.launcher",
            "--no-evaluation",
            "--cpus",
            "1",
            "--app",
            str(write_app(Path(folder) / "app")),
            "--runs-dir",
            str(runs := Path(folder) / "runs"),
            "--run-config",
        ]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        given = CONFIG.format(versions=args.versions, steps=args.steps)
        subprocess.run([*command, given], cwd=ROOT, check=True, env=os.environ | {"PYTHONPATH": path})
        run = next(path for path in runs.iterdir() if path.is_dir())
        updates = [event for event in read_events(run / FILE_NAME) if isinstance(event, Accepted)]
    first, later = updates[0], updates[4:]  # each of the four hospitals tokenises its notes with its first message

    def shares(update: Accepted) -> dict[str, float]:
        total, handler, loop = update.seconds, update.compute_seconds, update.train_seconds
        return {
            "round_trip_s": total,
            "training_loop_s": loop,
            "handler_outside_loop_s": handler - loop,
            "flower_s": total - handler,
            "overhead_share": (total - loop) / total,
        }

    rows = [shares(update) for update in later]
    median = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    opening = shares(first)
    print(f"{args.steps} steps a message; medians of {len(rows)} messages after each hospital's first")
    for name, value in median.items():
        print(f"{name:24}{value:10.4f}   (first message {opening[name]:.4f})")
    if args.json:
        args.json.write_text(json.dumps({"median": median, "first": opening, "messages": len(rows)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
