"""The comparison drawn: leakage, communication and computation by method, quality, and the privacy-cost frontier.

Methods have one order and one colour in all figures; every bar bears its number, so that no colour is needed.

Not for: computing anything. matplotlib is imported here alone, without a display.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossward.report.palette import GRID, INK, MUTED
from crossward.report.svg import size
from research.compare.leakage import DEFINITION
from research.compare.methods import CENTRALISED, DP_FL, ENCRYPTED, FL, HE_FL, HYBRID, LOCAL, PERSONAL

Facts = Mapping[str, Any]
COLOURS = {
    CENTRALISED: "#66717e",
    LOCAL: "#98a2ad",
    FL: "#3b9ad9",
    DP_FL: "#c2659b",
    HE_FL: "#d55e00",
    HYBRID: "#0a9d85",
    ENCRYPTED: "#0072b2",
    PERSONAL: "#4527a0",
}
PARTS = (
    ("train_seconds_per_round", "local training", "#c5d0db"),
    ("seal_seconds_per_round", "sealing", "#0072b2"),
    ("open_seconds_per_round", "opening", "#0a9d85"),
    ("add_seconds_per_round", "checking and adding", "#d55e00"),
)
DPI = 160


def _figure(
    title: str, note: str, height: float, columns: int = 1, width: float = 8.6, margin: float = 0.35
) -> tuple[Any, list[Any]]:
    """A figure of ``width`` x ``height`` inches with ``columns`` axes and ``margin`` inches left free at the right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    top, bottom = 1 - 0.62 / height, 0.98 / height
    axes = list(figure.subplots(1, columns, squeeze=False)[0])
    figure.subplots_adjust(left=1.62 / width, right=1 - margin / width, top=top, bottom=bottom, wspace=0.34)
    figure.text(0.22 / width, 1 - 0.3 / height, title, fontsize=13.5, fontweight="bold", color=INK, va="center")
    figure.text(0.22 / width, 0.2 / height, note, fontsize=9, color=MUTED, va="center")
    for axis in axes:
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.spines["bottom"].set_color(GRID)
        axis.tick_params(colors=MUTED, labelsize=9.5, length=0)
        axis.set_axisbelow(True)
    return figure, axes


def _by_method(axis: Any, rows: Sequence[Facts]) -> list[float]:
    """One line a method from the top; the lines' heights."""
    places = [float(len(rows) - 1 - i) for i in range(len(rows))]
    axis.set_yticks(places, [row["title"] for row in rows], fontsize=10.5, color=INK)
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.grid(axis="x", color=GRID, linewidth=0.8)
    return places


def _height(rows: Sequence[Facts]) -> float:
    return 1.75 + 0.42 * len(rows)


def _absent(axis: Any, place: float, text: str) -> None:
    axis.annotate(
        text, (0, place), (6, 0), textcoords="offset points", va="center", fontsize=9.5, color=MUTED, style="italic"
    )


def leakage(rows: Sequence[Facts]) -> Any:
    """What the aggregator learns, 0 to 1, with 95 % intervals; outlined where it follows by definition."""
    note = "gain of the attack on what the aggregator sees over guessing without it; outlined: by definition"
    figure, (axis,) = _figure("What the aggregator learns of the notes", note, _height(rows))
    for row, place in zip(rows, _by_method(axis, rows), strict=True):
        value, colour = row["leakage"], COLOURS[row["method"]]
        if value is None:
            _absent(axis, place, f"not measured: {row['leakage_how']}")
            continue
        given = row["leakage_how"] == DEFINITION
        axis.barh(place, value, 0.62, color="white" if given else colour, edgecolor=colour, linewidth=1.6)
        end = value
        if not given:
            end = row["leakage_high"]
            axis.plot([row["leakage_low"], end], [place, place], color=INK, linewidth=1.4)
        axis.annotate(
            f"{value:.2f}", (end, place), (6, 0), textcoords="offset points", va="center", fontsize=10, color=INK
        )
    axis.set_xlim(0, 1.12)
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    axis.set_xlabel("leakage", fontsize=10, color=MUTED)
    return figure


def _beside(axis: Any, column: float, place: float, text: str, colour: str = INK, **more: Any) -> None:
    """A number in a column ``column`` inches right of the axes."""
    axis.annotate(
        text,
        (1, place),
        (72 * column, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=9.5,
        color=colour,
        annotation_clip=False,
        **more,
    )


def communication(rows: Sequence[Facts]) -> Any:
    """Bytes a round of all hospitals, beside float32 federated averaging's; up and down in numbers."""
    reference = next((r["float32_bytes_per_round"] for r in rows if r.get("float32_bytes_per_round")), None)
    note = "all hospitals together, a round; centralised: the notes themselves, once, spread over the rounds"
    figure, (axis,) = _figure("What travels: bytes up and down", note, _height(rows) + 0.2, 1, 9.6, 3.6)
    figure.subplots_adjust(top=1 - 0.95 / (_height(rows) + 0.2))
    known = [row["bytes_per_round"] for row in rows if row["bytes_per_round"]]
    low, places = 1.0, _by_method(axis, rows)
    if known:
        low = float(10 ** np.floor(np.log10(min([*known, reference or min(known)])) - 0.15))
        axis.set_xscale("log")
        axis.set_xlim(low, max([*known, reference or 0]) * 1.6)
        axis.minorticks_off()
        axis.xaxis.set_major_formatter(lambda value, _: size(value))
    columns = (("total", 0.85), ("of float32", 1.65), ("up", 2.45), ("down", 3.25))
    for name, column in columns:
        _beside(axis, column, len(rows) - 0.25, name, MUTED)
    for row, place in zip(rows, places, strict=True):
        total, colour = row["bytes_per_round"], COLOURS[row["method"]]
        if not total:
            text = "not run" if total is None else "nothing"
            _beside(axis, 0.85, place, text, MUTED, style="italic")
            continue
        axis.plot([low, total], [place, place], color=colour, linewidth=3.2, solid_capstyle="butt", alpha=0.55)
        axis.plot([total], [place], "o", color=colour, markersize=9)
        cells = [size(total), f"{total / reference:.2g}x" if reference else ""]
        cells += [size(row[f"bytes_{way}_per_round"]) for way in ("up", "down")]
        for (_, column), text in zip(columns, cells, strict=True):
            _beside(axis, column, place, text)
    if reference and known:
        axis.axvline(reference, color=INK, linewidth=1.1, linestyle=(0, (4, 3)), zorder=0.5)
        axis.annotate(
            f"float32 FL: {size(reference)}",
            (reference, 1),
            (0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
            color=INK,
        )
    axis.set_xlabel("bytes a round (logarithmic)", fontsize=10, color=MUTED)
    return figure


def computation(rows: Sequence[Facts]) -> Any:
    """Seconds a round: training beside what sealing, opening and adding add to it."""
    note = "seconds of this machine, one hospital after the other; mean over seeds"
    figure, (axis,) = _figure("What is computed: seconds a round", note, _height(rows) + 0.3)
    longest = max((sum(row[name] or 0.0 for name, _, _ in PARTS) for row in rows), default=1.0) or 1.0
    for row, place in zip(rows, _by_method(axis, rows), strict=True):
        if row["train_seconds_per_round"] is None:
            _absent(axis, place, "not run")
            continue
        left = 0.0
        for name, _, colour in PARTS:
            axis.barh(place, row[name], 0.62, left=left, color=colour, edgecolor="white", linewidth=0.4)
            left += row[name]
        crypto, what = row["crypto_seconds_per_round"], "crypto" if row["sealed"] else "packing"
        text = f"{left:.2f} s" + (f", {crypto / left:.1%} {what}" if crypto else "")
        axis.annotate(text, (left, place), (6, 0), textcoords="offset points", va="center", fontsize=9.5, color=INK)
    for _, label, colour in PARTS:
        axis.scatter([], [], marker="s", s=70, color=colour, label=label)
    axis.legend(
        loc="upper left", bbox_to_anchor=(-0.01, -0.09), ncols=len(PARTS), frameon=False, fontsize=9, handletextpad=0.2
    )
    axis.set_xlim(0, longest * 1.34)
    axis.set_xlabel("")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    return figure


def quality(rows: Sequence[Facts]) -> Any:
    """Held-out loss and AUROC by method: a dot a seed, a bar from the mean by one standard deviation either way."""
    measured = [row for row in rows if row["loss"] is not None]
    with_auroc = any(row["auroc_mean"] is not None for row in measured)
    note = "a dot a seed; the bar is the mean with one standard deviation either way"
    columns = 2 if with_auroc else 1
    figure, axes = _figure("How good the adapter is on held-out notes", note, _height(rows), columns, 10.4)
    for axis, name, label in zip(
        axes,
        ("loss", "auroc_mean"),
        ("loss, nats a token (less is better)", "label AUROC (more is better)"),
        strict=False,
    ):
        for row, place in zip(rows, _by_method(axis, rows), strict=True):
            found, colour = row["spread"].get(name), COLOURS[row["method"]]
            if found is None:
                axis.annotate(
                    "not run", (0.02, place), xycoords=("axes fraction", "data"), va="center", color=MUTED, fontsize=9.5
                )
                continue
            values = [v for v in found["values"] if v is not None]
            half = found["sd"] or 0.0
            axis.plot(
                [found["mean"] - half, found["mean"] + half],
                [place] * 2,
                color=colour,
                linewidth=7,
                alpha=0.28,
                solid_capstyle="butt",
            )
            axis.plot(values, [place] * len(values), "o", color=colour, markersize=5, alpha=0.75, markeredgewidth=0)
            axis.plot([found["mean"]] * 2, [place - 0.27, place + 0.27], color=INK, linewidth=1.8)
            axis.annotate(
                f"{found['mean']:.3f}",
                (found["mean"], place + 0.27),
                (0, 1),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8.5,
                color=INK,
            )
        axis.margins(x=0.12)
        axis.set_xlabel(label, fontsize=10, color=MUTED)
    if with_auroc:
        axes[1].axvline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes[1].tick_params(labelleft=False)
    return figure


def frontier(points: Sequence[Facts], reference: float | None) -> Any:
    """Leakage against bytes and against seconds, by encrypted fraction; the two costs alone where none was measured."""
    known = [p for p in points if p["leakage"]["value"] is not None]
    note = "one round of all hospitals; the numbers are the share of values that is sealed"
    if not known:
        note = "one round of all hospitals; leakage over the fraction is not measured: " + points[0]["leakage"]["how"]
    title = "What the encrypted fraction costs" + (" and leaks" if known else "")
    figure, axes = _figure(title, note, 4.5, 2, 10.4)
    figure.subplots_adjust(left=0.085)
    costs = (("bytes_per_round", 1e-6, "MB a round"), ("crypto_seconds_per_round", 1e3, "ms a round: seal, add, open"))
    for axis, (name, unit, label), colour in zip(axes, costs, (COLOURS[ENCRYPTED], COLOURS[HYBRID]), strict=True):
        axis.grid(color=GRID, linewidth=0.8)
        cost = [p[name] * unit for p in (known or points)]
        if known:
            value = np.array([p["leakage"]["value"] for p in known])
            low, high = (np.array([p["leakage"][end] for p in known]) for end in ("low", "high"))
            axis.errorbar(
                cost,
                value,
                [np.maximum(value - low, 0), np.maximum(high - value, 0)],
                color=colour,
                marker="o",
                markersize=7,
                linewidth=1.6,
                elinewidth=1.2,
                capsize=3,
            )
            for x, y, p in zip(cost, value, known, strict=True):
                axis.annotate(
                    f"{p['sealed_share']:.0%}", (x, y), (7, 7), textcoords="offset points", fontsize=9, color=INK
                )
            axis.set_ylim(bottom=min(-0.02, float(low.min())))
            axis.margins(x=0.1)
            axis.set_xlabel(label, fontsize=10, color=MUTED)
            axis.set_ylabel("leakage", fontsize=10, color=MUTED)
        else:
            share = [100 * p["sealed_share"] for p in points]
            axis.plot(share, cost, "-o", color=colour, markersize=7, linewidth=1.8)
            for x, y in zip(share, cost, strict=True):
                axis.annotate(
                    f"{y:.3g}", (x, y), (0, 8), textcoords="offset points", ha="center", fontsize=9, color=INK
                )
            top = max(cost) if axis is axes[1] or not reference else max(*cost, reference * unit)
            axis.set_ylim(0, top * 1.15)
            axis.set_xlabel("share of the values that is sealed, %", fontsize=10, color=MUTED)
            axis.set_ylabel(label, fontsize=10, color=MUTED)
    if reference:
        draw = axes[0].axvline if known else axes[0].axhline
        draw(reference * 1e-6, color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)))
        place = (reference * 1e-6, 0.97) if known else (0.02, reference * 1e-6)
        coordinates = ("data", "axes fraction") if known else ("axes fraction", "data")
        axes[0].annotate(
            "float32 FL", place, (4, 4), xycoords=coordinates, textcoords="offset points", fontsize=9, color=MUTED
        )
    return figure


def draw(found: Facts, folder: Path) -> list[Path]:
    """The figures of ``comparison.json`` as PNG files in ``folder``."""
    rows = found["methods"]
    made = {
        "leakage": leakage(rows),
        "communication": communication(rows),
        "computation": computation(rows),
        "quality": quality(rows),
    }
    if found["frontier"]:
        reference = next((r["float32_bytes_per_round"] for r in rows if r.get("float32_bytes_per_round")), None)
        made["frontier"] = frontier(found["frontier"], reference)
    paths = []
    for name, figure in made.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=DPI)
    return paths
