"""The figures of ``benchmarks.asynchrony`` as tables, and in words where it falls short of what is required.

Not for: computing them (``benchmarks.asynchrony.rows``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from benchmarks.asynchrony.jobs import TINY
from benchmarks.asynchrony.run import SYNC
from benchmarks.asynchrony.studies import SENSITIVITY, SPEED, WEIGHTING
from benchmarks.harness.figures import verdict
from benchmarks.harness.tables import cell, table
from crossward.config.weight_rules import FEDASYNC, FEDBUFF

Found = dict[str, Any]


def _percent(value: float | None) -> str:
    return cell(None if value is None else 100 * value, ".1f", " %")


def _range(row: Found) -> str:
    return f"{cell(row['median'])} [{cell(row['least'])}, {cell(row['most'])}]"


def _runs(found: Found, study: str, title: str) -> Table:
    head = ("nodes", "links", "compute", "strategy", "rate", "min to target", "updates", "GB", "left (time)")
    made = table(title, *head, "left (updates)", "worst", "staleness", "seeds", left=4)
    before: tuple[Any, ...] = ()
    for row in found[study]:
        here = (f"{row['nodes']:,}", f"{row['spread']:g}x", row["compute"])
        if before and here != before:
            made.add_section()
        losses = study == TINY  # nats say more than shares of a loss at the start
        ends = (
            (cell(row.get("loss_equal_time"), ".3f"), cell(row.get("loss_equal_updates"), ".3f"))
            if losses
            else (_percent(row.get("left_equal_time")), _percent(row.get("left_equal_updates")))
        )
        made.add_row(
            *(here if here != before else ("", "", "")),
            row["strategy"],
            f"{row['rate']:g}",
            cell(row["seconds"]["median"] / 60, ",.1f"),
            cell(row["updates"]["median"], ",.0f"),
            cell(row["bytes"]["median"] / 1e9, ",.0f"),
            *ends,
            cell(row.get("worst_equal_updates"), ".3f"),
            f"{row['staleness']:.1f}",
            str(row["seeds"]),
        )
        before = here
    said = "nats a token" if study == TINY else "what is left of what could be gained"
    made.caption = (
        f"medians over seeds. left: {said}, when AsyncHybrid's run ended (time), after as many updates (updates); "
        f"worst: the worst hospital's loss after as many updates. {FEDASYNC} is a buffer of 1, which breaks the "
        "minimum of three contributors to a version that protects single updates: for comparison only."
    )
    return made


def _ratios(found: Found) -> Table:
    made = table("Time and bytes to the target, as multiples of AsyncHybrid's", "", "median [least, most]", "seeds")
    for name, row in found["ratio_ranges"].items():
        made.add_row(name.replace("_", " "), _range(row), str(row["seeds"]))
    return made


def _weightings(found: Found) -> Table:
    head = ("skew", "weighting", "overall loss", "of it avoidable", "worst hospital", "min to target", "seeds")
    made = table("Weightings on skewed hospitals: losses at the end", *head, left=2)
    before = ""
    for row in found[WEIGHTING]:
        if before and row["skew"] != before:
            made.add_section()
        name = f"{SYNC}, examples" if row["weighting"] == SYNC else row["weighting"]
        losses = (f"{row['loss']:.3f}", f"{row['loss'] - row['least_possible']:.3f}", f"{row['worst']:.3f}")
        minutes = cell(row["seconds"] / 60, ",.1f")
        made.add_row(row["skew"] if row["skew"] != before else "", name, *losses, minutes, str(row["seeds"]))
        before = row["skew"]
    made.caption = (
        "avoidable: above the best that any one model does overall; the noisy hospital's own loss is left out"
    )
    return made


def _sensitivity(found: Found) -> Table:
    made = table(
        "Sensitivity of the headline's ratio, one thing changed at a time",
        "changed",
        "fedavg, min",
        "async, min",
        "ratio",
    )
    for row in found[SENSITIVITY]:
        minutes = (cell(row[name] / 60, ",.1f") for name in ("sync_seconds", "async_seconds"))
        made.add_row(row["changed"], *minutes, cell(row["ratio"]))
    return made


def tables(found: Found) -> Iterator[Table]:
    """Tables of the studies that were made."""
    if found[SPEED]:
        yield _runs(found, SPEED, "Convex toy: virtual time and bytes to the target")
    if found[TINY]:
        yield _runs(found, TINY, "Embedded model, real training: virtual time and bytes to the target")
    if found["ratio_ranges"]:
        yield _ratios(found)
    if found[WEIGHTING]:
        yield _weightings(found)
    if found[SENSITIVITY]:
        yield _sensitivity(found)


def _not_won(found: Found) -> Iterator[str]:
    """Settings of the clock in which a rival is as quick, or nearly: fedavg, or others at 0.95 of their time."""
    for rival, least in (("sync", 1.0), (FEDBUFF, 1 / 0.95), (FEDASYNC, 1 / 0.95)):
        first = f"{rival}_to_async_time_"
        times = {name: row["median"] for name, row in found["ratio_ranges"].items() if name.startswith(first)}
        if lost := [f"{n.removeprefix(first).replace('_', ' ')} {cell(t)}" for n, t in times.items() if not t >= least]:
            yield f"{rival} takes less than {least:.2f} times AsyncHybrid's time: {'; '.join(lost)}"


def verdicts(found: Found) -> Iterator[str]:
    """What is required, and every setting of the clock in which AsyncHybrid does not come to that, or does not win."""
    for row in found["requirements"]:
        yield f"{row['what']}: {cell(row['value'])}, required {row['limit']}: {verdict(row)}"
        limit = float(row["limit"].split()[-1])
        short = [
            f"{name.removeprefix('sync_to_async_time_').replace('_', ' ')} {cell(r['median'])}"
            for name, r in found["ratio_ranges"].items()
            if name.startswith("sync_to_async_time") and not r["median"] >= limit
        ]
        if short:
            yield f"Below {limit:g}: {'; '.join(short)}"
    yield from _not_won(found)
