"""``python -m benchmarks.overhead``: what one simulated message costs outside the training loop.

Starts a real ``flwr run`` with one task at a time and no pretended links, whose server looks for replies ten times as
often as usual, and reads its ledger: round trip at the server, handler, training loop. The first message of every
process (it loads the model) is reported apart.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.harness.command import parse, parser, write_json
from benchmarks.harness.figures import medians
from benchmarks.harness.processes import run_app, write_app
from benchmarks.harness.tables import show, side_by_side
from crossward.ledger.events import Accepted
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events

CONFIG = (
    'simulation.links-mbit="" strategy.concurrency=1 strategy.num-versions={versions} strategy.evaluate-every=0 '
    "strategy.buffer-size=3 run.alone=false train.local-steps={steps}"
)
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


def main(argv: list[str] | None = None) -> None:
    """Run and print."""
    p = parser("overhead", __doc__)
    p.add_argument("--versions", type=int, default=6)
    p.add_argument("--steps", type=int, default=10)
    args = parse(p, argv, versions=3, steps=1)
    with tempfile.TemporaryDirectory() as folder:
        app = write_app(Path(folder) / "app", SERVER, NODES)
        settings = CONFIG.format(versions=args.versions, steps=args.steps)
        run = run_app(app, Path(folder) / "runs", settings, nodes=4, cpus=1)
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
    median, opening = medians(rows), shares(first)
    title = f"{args.steps} steps a message; medians of {len(rows)} messages after each hospital's first"
    show(side_by_side(title, {"median": median, "first message": opening}, ".4f"))
    write_json(args.json, {"median": median, "first": opening, "messages": len(rows)})


if __name__ == "__main__":
    main()
