"""The figures of ``benchmarks.asynchrony`` drawn: loss over time, ratio by spread, the worst hospital by weighting.

Not for: computing them. matplotlib is imported here alone, without a display.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from benchmarks.asynchrony.jobs import TINY
from benchmarks.asynchrony.run import ASYNC, SYNC
from benchmarks.asynchrony.studies import SPEED, WEIGHTING
from crossward.config.weight_rules import FEDASYNC, FEDBUFF

Found = dict[str, Any]
INK, MUTED, ALERT = "#1c2733", "#5b6b7a", "#c0392b"
LOOKS = {
    ASYNC: ("AsyncHybrid", "#1f4e8c", 2.6),
    SYNC: ("fedavg (synchronous)", "#d1491b", 2.6),
    FEDBUFF: ("FedBuff", "#3a9a8c", 1.3),
    FEDASYNC: ("FedAsync (buffer 1)", "#9aa5b1", 1.3),
}
BARS = ("#1f4e8c", "#6f9bd1", "#e0a030", "#3a9a8c", "#9aa5b1")


def _figure(width: float, height: float, columns: int, share: bool) -> tuple[Any, list[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, columns, squeeze=False, sharey=share)[0])
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=MUTED, labelsize=10)
        axis.grid(axis="y", color="#e3e8ed", linewidth=0.8)
        axis.set_axisbelow(True)
    return figure, axes


def loss_over_time(found: Found) -> Any:
    """What is left to gain over virtual hours, one panel a spread of links."""
    spreads = sorted({curve["spread"] for curve in found["curves"]})
    figure, axes = _figure(4.3 * len(spreads), 4.4, len(spreads), True)
    for axis, spread in zip(axes, spreads, strict=True):
        here = {c["strategy"]: c for c in found["curves"] if c["spread"] == spread}
        end = max(here[SYNC]["seconds"]) / 3600
        for strategy, (label, colour, width) in reversed(LOOKS.items()):
            if strategy in here:
                hours = [seconds / 3600 for seconds in here[strategy]["seconds"]]
                axis.step(hours, here[strategy]["left"], where="post", color=colour, linewidth=width, label=label)
        axis.axhline(found["target_share"], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axis.set_yscale("log")
        axis.set_xlim(0, end)
        axis.set_title(f"links {spread:g}x apart", fontsize=12, color=INK)
        axis.set_xlabel("virtual hours", color=INK, fontsize=11)
    axes[0].set_ylabel("left of what could be gained", color=INK, fontsize=11)
    axes[0].yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes[0].annotate(
        "target",
        (0.99, found["target_share"]),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        color=MUTED,
    )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=4, frameon=False, fontsize=11)
    figure.suptitle("Loss over virtual time, 100 hospitals, half-normal compute, one seed", color=INK, fontsize=13)
    return figure


def ratio_by_spread(found: Found, published: float) -> Any:
    """``fedavg``'s time to target over AsyncHybrid's, by spread of links."""
    figure, (axis,) = _figure(7.6, 4.6, 1, False)
    series: dict[str, list[tuple[float, Found]]] = {}
    for name, row in found["ratio_ranges"].items():
        if name.startswith("sync_to_async_time_spread_") and math.isfinite(row["median"]):
            spread, _, more = name.removeprefix("sync_to_async_time_spread_").partition("_")
            series.setdefault(more, []).append((float(spread), row))
    names = {
        "": ("100 hospitals, half-normal compute", LOOKS[ASYNC][1]),
        "nodes_1000": ("1,000 hospitals", "#3a9a8c"),
        "tiny": ("embedded model, 6 hospitals", "#7d4fa0"),
        "compute_10x": ("100 hospitals, compute 10x apart", "#e0a030"),
        "compute_equal": ("100 hospitals, equal compute", "#9aa5b1"),
    }
    shown = [(more, points) for more in names if (points := sorted(series.get(more, []), key=lambda p: p[0]))]
    for place, (more, points) in enumerate(shown):
        x = [spread * 1.06 ** (place - len(shown) / 2 + 0.5) for spread, _ in points]
        y = [row["median"] for _, row in points]
        low = [row["median"] - row["least"] for _, row in points]
        high = [min(row["most"], 1e3) - row["median"] for _, row in points]
        label, colour = names[more]
        axis.errorbar(
            x, y, [low, high], color=colour, marker="o", markersize=6, linewidth=2.4 if not more else 1.6, capsize=3,
            label=label,
        )  # fmt: skip
    axis.axhline(published, color=ALERT, linewidth=1.2, linestyle=(0, (4, 3)))
    axis.annotate(
        f"FedBuff's published {published:g}", (0.99, published), xycoords=("axes fraction", "data"), ha="right",
        va="bottom", color=ALERT, fontsize=10,
    )  # fmt: skip
    axis.axhline(1.0, color=MUTED, linewidth=0.8)
    axis.set_xscale("log")
    axis.set_ylim(0, None)
    spreads = sorted({spread for _, points in shown for spread, _ in points})
    axis.set_xticks(spreads, [f"{spread:g}x" for spread in spreads])
    axis.minorticks_off()
    axis.set_xlabel("slowest to fastest link", color=INK, fontsize=11)
    axis.set_ylabel("fedavg's time to target / AsyncHybrid's", color=INK, fontsize=11)
    axis.set_title("How much sooner (medians; bars: least and most over seeds)", color=INK, fontsize=12, loc="left")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=10)
    return figure


def worst_by_weighting(found: Found) -> Any:
    """Worst hospital's loss (bars) and the overall loss (marks), one panel a skew."""
    skews = list(dict.fromkeys(row["skew"] for row in found[WEIGHTING]))
    figure, axes = _figure(3.2 * len(skews), 4.4, len(skews), False)
    for axis, skew in zip(axes, skews, strict=True):
        rows = [row for row in found[WEIGHTING] if row["skew"] == skew]
        names = ["fedavg,\nexamples" if row["weighting"] == SYNC else row["weighting"] for row in rows]
        places = range(len(rows))
        axis.bar(places, [row["worst"] for row in rows], color=BARS[: len(rows)], width=0.7)
        axis.scatter(
            places, [row["loss"] for row in rows], marker="_", s=520, color=INK, linewidth=2.2, label="overall"
        )
        for place, row in zip(places, rows, strict=True):
            axis.annotate(f"{row['worst']:.3f}", (place, row["worst"]), ha="center", va="bottom", color=INK, fontsize=9)
        axis.set_xticks(places, names, rotation=40, ha="right", fontsize=10)
        axis.set_ylim(0, 1.12 * max(row["worst"] for row in rows))
        axis.set_title(f"{skew} skew" if skew in ("size", "label") else skew, fontsize=12, color=INK)
        axis.grid(axis="x", visible=False)
    axes[0].set_ylabel("loss at the end", color=INK, fontsize=11)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", frameon=False, fontsize=10)
    figure.suptitle("Worst hospital (bars) and overall loss (marks), by weighting", color=INK, fontsize=13)
    return figure


def draw(found: Found, folder: Path, published: float) -> list[Path]:
    """Write what there are figures for, as the documentation has them; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    if found["curves"]:
        made["asynchrony-loss"] = loss_over_time(found)
    if found[SPEED] or found[TINY]:
        made["asynchrony"] = ratio_by_spread(found, published)
    if found[WEIGHTING]:
        made["asynchrony-weighting"] = worst_by_weighting(found)
    files = [folder / f"{name}.png" for name in made]
    for file, figure in zip(files, made.values(), strict=True):
        figure.savefig(file, dpi=110)
    return files
