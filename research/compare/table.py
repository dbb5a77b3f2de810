"""The comparison as tables for a terminal: methods, claims, ablations.

Not for: figures (``research.compare.figures``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from crossward.report.svg import size
from research.compare.methods import CENTRALISED, METHODS

Facts = Mapping[str, Any]
UNLIKE_FL = (CENTRALISED, *(name for name, method in METHODS.items() if method.at_home))


def _pm(found: Facts, name: str, digits: int) -> str:
    value, sd = found.get(name), found.get("spread", {}).get(name, {}).get("sd")
    if value is None:
        return "-"
    return f"{value:.{digits}f}" + (f" ± {sd:.{digits}f}" if sd is not None else "")


def _pair(found: Facts, *names: str) -> str:
    """Several means in one cell."""
    return ", ".join("-" if found.get(name) is None else f"{found[name]:.2f}" for name in names)


def _leakage(found: Facts) -> str:
    if found["leakage"] is None:
        return f"- ({found['leakage_how']})"
    if found["leakage_how"] == "by definition":
        return f"{found['leakage']:.0f} (def.)"
    return f"{found['leakage']:.2f} \\[{found['leakage_low']:.2f}, {found['leakage_high']:.2f}]"


def _delta(found: Facts, name: str) -> str:
    return "-" if found.get(name) is None else f"{found[name]:+.3f}"


def methods_table(rows: Sequence[Facts], settings: Facts) -> Table:
    """A line a method: mean and standard deviation over seeds."""
    seeds = max((len(row["seeds"]) for row in rows), default=0)
    table = Table(
        title=f"The methods: mean ± standard deviation over {seeds} seeds",
        caption=(
            f"A round: every one of {settings['hospitals']} hospitals trains once. Seconds on a link of "
            f"{settings['link_mbit']:g} Mbit/s each, hospitals side by side. Crypto: packing, sealing, checking, "
            "adding and opening at all nodes and the server. Central training hands over the notes once, spread over "
            "the rounds; local only and personal are each hospital's adapter on its own notes. Leakage: (def.) is so "
            "by definition, the rest is measured in the attack suite's own laboratory."
        ),
    )
    headings: tuple[str, ...] = (
        "method",
        "loss",
        "to central",
        "perplexity mean",
        "worst",
        "AUROC pooled, mean",
        "Brier, ECE",
        "leakage",
    )
    headings += ("bytes a round", "crypto s", "train s", "s a round", "epsilon")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "method" else "right", no_wrap=heading == "leakage")
    for row in rows:
        if row.get("unavailable"):
            table.add_row(row["title"], *["-"] * 6, _leakage(row), *["-"] * 5)
            continue
        table.add_row(
            row["title"],
            _pm(row, "loss", 3),
            _delta(row, "loss_delta"),
            _pm(row, "perplexity_mean", 2),
            _pm(row, "perplexity_worst", 2),
            _pair(row, "auroc_pooled", "auroc_mean"),
            _pair(row, "brier", "ece"),
            _leakage(row),
            size(round(row["bytes_per_round"])),
            _pm(row, "crypto_seconds_per_round", 3),
            _pm(row, "train_seconds_per_round", 2),
            f"{row['seconds_per_round']:.2f}",
            "-" if row["epsilon"] is None else f"{row['epsilon']:.2f}",
        )
    return table


def remarks(rows: Sequence[Facts], settings: Facts) -> list[str]:
    """What the table cannot say in a cell."""
    out = [f"{row['title']}: not run; {row['unavailable']}" for row in rows if row.get("unavailable")]
    for row in rows:
        if row.get("loss_elsewhere") is not None:
            out.append(
                f"{row['title']}: at the other hospitals its loss is {row['loss_elsewhere']:.3f} "
                f"(at home {row['loss']:.3f})"
            )
        for name, text in (("loss", "loss of all tokens"), ("loss_mean", "mean of the hospitals' losses")):
            found = (row.get("against_fl") or {}).get(name) or {}
            if found.get("difference") is None or row["method"] in UNLIKE_FL:
                continue
            same = "equivalent" if found["equivalent"] else "equivalence not shown"
            spread = "within" if found["within_spread"] else "beyond"
            out.append(
                f"{row['title']} - FL, {text}: {found['difference']:+.4f}, 90 % interval [{found['low90']:+.4f}, "
                f"{found['high90']:+.4f}]; {same} at a margin of {found['margin']:g}; {spread} the spread of FL's seeds"
            )
    if not settings["label_known"]:
        out.append("AUROC is left out: these notes have no label (data.label)")
    return out


def claims_table(claims: Sequence[Facts]) -> Table:
    """A line a claim."""
    table = Table(title="Claims")
    for heading in ("claim", "found", "limit", "holds"):
        table.add_column(heading, justify="left" if heading == "claim" else "right")
    words = {None: "not known", True: "yes", False: "[bold red]no[/bold red]"}
    for claim in claims:
        value, limit = ("-" if x is None else f"{x:.4g}" for x in (claim["value"], claim["limit"]))
        table.add_row(claim["text"].replace("[", "\\["), value, limit, words[claim["holds"]])
    return table


def ablations_table(rows: Sequence[Facts]) -> Table:
    """A line an ablation, with the loss against the method that it changes."""
    table = Table(title="Ablations: one setting of a method changed at a time")
    columns = ("setting", "value", "of", "loss", "difference", "90 % interval", "bytes a round", "crypto s")
    for heading in columns:
        table.add_column(heading, justify="left" if heading in ("setting", "value", "of") else "right")
    for row in rows:
        if row.get("unavailable"):
            table.add_row(row["group"], row["value"], row["base"], *["-"] * 5)
            continue
        found = row["against_base"]
        known = found["difference"] is not None
        table.add_row(
            row["group"],
            row["value"],
            row["base"],
            _pm(row, "loss", 3),
            f"{found['difference']:+.3f}" if known else "-",
            f"{found['low90']:+.3f} to {found['high90']:+.3f}" if known else "-",
            size(round(row["bytes_per_round"])),
            f"{row['crypto_seconds_per_round']:.3f}",
        )
    return table
