"""``python -m benchmarks.real_model``: a real model and real notes through a whole simulated run.

    python -m benchmarks.real_model --model FOLDER --notes reports.csv [--set KEY=VALUE ...] [--json FILE] [--quick]

Four hospitals fine-tune the model together, encrypted under a committee and asynchronously, with the defaults that
``crossward run --model`` derives, half its batch and shorter personal trainings, so that SmolLM2-135M on a few hundred
notes ends within half an hour on two cores. Printed are the held-out perplexity of the untuned base, the
global adapter, each hospital alone and its personal adapter at home, with paired differences by patient; then tokens a
second, peak memory, the share of encryption, and bytes.

``--work FOLDER`` keeps the run folder; the same command then only measures what is there.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.command import parse, parser, write_json
from benchmarks.harness.tables import show, side_by_side, table
from benchmarks.real_model.run import Setting, run
from benchmarks.real_model.summary import costs
from crossward.machine.paths import path_argument
from crossward.report.joining.figures import ADAPTERS, EVALUATION, PAIRS, Joining

DEFAULTS = ("train.batch-size=2", "strategy.evaluate-every=0", "personal.steps=40", "data.seed=3")
SMALL = ("strategy.num-versions=1", "train.local-steps=1", "personal.steps=1", "data.max-tokens=64", "data.max-notes=6")


def quality(found: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each hospital at home, then one for all of them, each with its own adapters."""
    rows: list[dict[str, Any]] = []
    for site, value in found["joining"].items():
        home = Joining.from_json(site, value).home
        perplexity = {name: level.perplexity for name, level in home.adapters.items()}
        gaps = {pair: [gap.nats, gap.low, gap.high] for pair, gap in home.differences.items()}
        rows.append({"site": site, "patients": home.patients, "perplexity": perplexity, "nats": gaps})
    return [*rows, together(found, rows)]


def together(found: dict[str, Any], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All hospitals as one place: mean losses weighted by held-out tokens."""
    tokens = {row["site"]: row["tokens"] for row in found["rows"] if row["model"] == "base"}
    weight = {row["site"]: tokens[row["site"]] for row in rows}
    names = [name for name in ADAPTERS if all(name in row["perplexity"] for row in rows)]
    losses = {
        name: sum(weight[row["site"]] * math.log(row["perplexity"][name]) for row in rows) / sum(weight.values())
        for name in names
    }
    pairs = [f"{one}-{other}" for one, other in PAIRS]
    shares = [weight[row["site"]] / sum(weight.values()) for row in rows]
    return {
        "site": "all",
        "patients": sum(row["patients"] for row in rows),
        "perplexity": {name: math.exp(loss) for name, loss in losses.items()},
        "nats": {pair: gap for pair in pairs if (gap := _pooled(pair, shares, rows)) is not None},
    }


def _pooled(pair: str, shares: Sequence[float], rows: Sequence[dict[str, Any]]) -> list[float] | None:
    """A difference over hospitals, which are strata: variances add. None where one of them has no interval."""
    gaps = [row["nats"].get(pair, [None]) for row in rows]
    if any(None in gap for gap in gaps):
        return None
    mean = sum(share * gap[0] for share, gap in zip(shares, gaps, strict=True))
    half = math.sqrt(sum((share * (gap[2] - gap[1]) / 2) ** 2 for share, gap in zip(shares, gaps, strict=True)))
    return [mean, mean - half, mean + half]


def _gap(found: list[float | None] | None) -> str:
    if found is None or None in found:
        return "-"
    nats, low, high = (float(value or 0.0) for value in found)
    return f"{nats:+.3f} [{low:+.3f}, {high:+.3f}]"


def print_quality(rows: Sequence[dict[str, Any]]) -> None:
    """Perplexities, and differences with their intervals."""
    names = [name for name in ADAPTERS if any(name in row["perplexity"] for row in rows)]
    made = table("Held-out perplexity at home", "hospital", "patients", *(ADAPTERS[name] for name in names))
    for row in rows:
        levels = (f"{row['perplexity'][n]:.2f}" if n in row["perplexity"] else "-" for n in names)
        made.add_row(row["site"], str(row["patients"]), *levels)
    pairs = [f"{one}-{other}" for one, other in PAIRS]
    gaps = table("Nats a token [95 % by patient]", "hospital", *(pair.replace("-", " minus ") for pair in pairs))
    for row in rows:
        gaps.add_row(row["site"], *(_gap(row["nats"].get(pair)) for pair in pairs))
    show(made, gaps)


def main(argv: Sequence[str] | None = None) -> None:
    """Run, measure, print, and write what was asked for."""
    p = parser("real_model", __doc__)
    p.add_argument("--model", required=True, metavar="FOLDER|HUB_ID")
    p.add_argument("--notes", required=True, type=path_argument, metavar="FILE", help="as for crossward run")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another key of the run config")
    p.add_argument("--work", type=path_argument, metavar="FOLDER", help="where to keep the run")
    args = parse(p, argv)
    keys = (*DEFAULTS, *(SMALL if args.quick else ()), *args.set)
    with tempfile.TemporaryDirectory() as folder:
        work = args.work or Path(folder)
        ran = run(Setting(args.model, args.notes, keys, work))
        found = json.loads((ran.folder / EVALUATION).read_text("utf-8"))
        cost = costs(ran)
    rows = quality(found)
    print_quality(rows)
    show(side_by_side("What it took", {"": cost}, ",.4g"))
    write_json(args.json, {"setting": list(keys), "quality": rows, "cost": cost})


if __name__ == "__main__":
    main()
