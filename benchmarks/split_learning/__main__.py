"""``python -m benchmarks.split_learning``: few exchanges between parties beside split learning by mini-batches.

Three made-up parties: notes and the outcome at one, vital signs and laboratory values at the others. Each party's
features alone, the joint model after one exchange and after more, all features in one place, and split learning, which
sends embeddings and gradients of every mini-batch, as usual ("split") and from represented bottoms ("split, warm");
messages and bytes of each, and what split learning needs for the AUROC that few exchanges have. With --overlaps
students outside the overlap.
"""

from __future__ import annotations

import client_app.training.threads  # noqa: F401  # isort: skip - before torch, so that OpenMP waits passively

from collections.abc import Sequence
from statistics import fmean

from benchmarks.harness.command import parse, parser, say, write_json
from benchmarks.harness.figures import Row, at_least
from benchmarks.harness.tables import requirements_table, show, table_of
from benchmarks.split_learning import overlaps, ways
from benchmarks.split_learning.parties import Consortium, Sizes, consortium
from client_app.training.threads import share_cores
from client_app.vertical.learning.bottoms import Bottom
from client_app.vertical.learning.bottoms.hidden_states import LanguageSettings
from client_app.vertical.learning.exchange import ExchangeSettings

NAMES = ("notes alone", "vitals alone", "labs alone")


def one_seed(c: Consortium, exchanges: int) -> list[Row]:
    """All ways with one seed, on the same patients."""
    bottoms = c.represented()
    say(f"seed {c.seed}: represented")
    rows = [ways.alone(c, bottom, party, NAMES[party]) for party, bottom in enumerate(bottoms)]
    rows += [ways.central(c, bottoms), *ways.few_shot(c, bottoms, exchanges, ExchangeSettings())]
    say(f"seed {c.seed}: few exchanges")
    rows += [*split_rows(c, bottoms, rows[-1])]
    return [one | {"seed": c.seed} for one in rows]


def split_rows(c: Consortium, bottoms: tuple[Bottom, ...], few: Row) -> list[Row]:
    """Split learning to its end, and until it has the AUROC of ``few``, from fresh and from represented bottoms."""
    fresh = tuple(c.fresh(party) if party else bottoms[0] for party in range(len(bottoms)))
    found = []
    for way, ones in (("split", fresh), ("split, warm", bottoms)):
        whole, epochs = ways.split_learning(c, ones, way)
        found.append(whole)
        if (first := ways.to_reach(epochs, few["auroc"])) is not None:
            found.append(first | {"way": f"{way}, equal"})
        say(f"seed {c.seed}: {way}")
    return found


def summary(rows: Sequence[Row], by: Sequence[str] = ("way",)) -> list[Row]:
    """Means over seeds, in the order in which ways first appear; ``seeds`` in which there is one."""
    keys = list(dict.fromkeys(tuple(row[name] for name in by) for row in rows))
    out = []
    for key in keys:
        mine = [row for row in rows if tuple(row[name] for name in by) == key]
        made: Row = dict(zip(by, key, strict=True)) | {"seeds": len(mine)}
        for name in ("auroc", "auprc", "messages", "bytes", "common"):
            if all(row.get(name) is not None for row in mine):
                made[name] = fmean(float(row[name]) for row in mine)
        out.append(made)
    return out


def requirements(rows: Sequence[Row]) -> list[Row]:
    """How far from the better side to all features in one place the joint model comes, and in how few messages."""
    mean = {row["way"]: row for row in summary(rows)}
    better = max(mean[name]["auroc"] for name in NAMES)
    gained = (mean["few-shot, kept"]["auroc"] - better) / (mean["central"]["auroc"] - better)
    fewer = [mean[name]["messages"] / mean["one-shot"]["messages"] for name in ("split", "split, warm")]
    return [
        at_least("way from the better side to all features in one place", gained, 0.95),
        at_least("messages of split learning by those of one exchange", min(fewer), 100.0),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    p = parser("split_learning", __doc__)
    p.add_argument("--patients", type=int, default=1600)
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    p.add_argument("--exchanges", type=int, default=6, help="after the first (default: 6)")
    p.add_argument("--overlaps", type=float, nargs="*", default=[], help="shares of patients in common, as 0.05")
    p.add_argument("--language-steps", type=int, default=LanguageSettings().steps, help="0: the base model as it is")
    args = parse(p, argv, patients=150, seeds=[0], exchanges=1, language_steps=0)
    share_cores()
    language = LanguageSettings(steps=args.language_steps)
    rows, outside = [], []
    for seed in args.seeds:
        rows += one_seed(consortium(Sizes(args.patients, language=language), seed), args.exchanges)
        for overlap in args.overlaps:
            outside += overlaps.one_overlap(consortium(Sizes(args.patients, overlap, language=language), seed))
            say(f"seed {seed}: overlap {overlap:g}")
        write_json(args.json, {"rows": rows, "overlaps": outside, "requirements": requirements(rows)})
    columns = {"": ("way", ""), "AUROC": ("auroc", ".3f"), "AUPRC": ("auprc", ".3f")}
    sent = {"messages": ("messages", ".0f"), "MB": ("bytes", ".2fM"), "seeds": ("seeds", "")}
    show(table_of("Held-out common patients, means over seeds", summary(rows), columns | sent))
    if outside:
        where = {"overlap": ("overlap", ""), "common": ("common", ".0f"), "party": ("party", "")}
        found = summary(outside, ("overlap", "party", "way"))
        show(table_of("Patients outside the overlap, means over seeds", found, where | columns, left=4))
    show(requirements_table(requirements(rows)))


if __name__ == "__main__":
    main()
