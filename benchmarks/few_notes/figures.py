"""The figures of ``benchmarks.few_notes`` drawn: perplexity over the number of training patients.

Not for: computing them. matplotlib is imported here alone, without a display.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.few_notes.study import ALONE, CASES, GLOBAL, PERSONAL, STOPPED
from crossward.report.palette import GRID, INK, MUTED

LOOKS = {
    ALONE: ("#d55e00", 1.8, "-", "o"),
    STOPPED: ("#d55e00", 1.2, (0, (4, 3)), "o"),
    GLOBAL: ("#66717e", 1.8, "-", "s"),
    PERSONAL: ("#0072b2", 2.8, "-", "D"),
}


def perplexity_by_patients(rows: Sequence[dict[str, Any]]) -> Any:
    """One panel a case; bars are the least and the most of a seed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cases = [case for case in CASES if any(row["case"] == case for row in rows)]
    figure = Figure(figsize=(4.9 * len(cases), 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, len(cases), squeeze=False, sharey=True)[0])
    for axis, case in zip(axes, cases, strict=True):
        here = [row for row in rows if row["case"] == case]
        sizes = [row["size"] for row in here]
        for name, (colour, width, dashes, marker) in LOOKS.items():
            found = [row["perplexity"][name] for row in here]
            mean = [f["mean"] for f in found]
            bars = [[f["mean"] - f["least"] for f in found], [f["most"] - f["mean"] for f in found]]
            axis.errorbar(
                sizes, mean, bars, color=colour, linewidth=width, linestyle=dashes, marker=marker, markersize=5,
                elinewidth=1.0, capsize=3, label=name,
            )  # fmt: skip
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.minorticks_off()
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=MUTED, labelsize=10)
        axis.grid(axis="y", which="both", color=GRID, linewidth=0.8)
        axis.set_title(CASES[case], fontsize=11, color=INK, loc="left")
        axis.set_xlabel("training patients", color=INK, fontsize=11)
    low, high = axes[0].get_ylim()
    ticks = [tick for tick in (1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100) if low <= tick <= high]
    axes[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[0].set_ylabel("held-out perplexity at home", color=INK, fontsize=11)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(LOOKS), frameon=False, fontsize=11)
    return figure


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the picture; its form is the file name's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    perplexity_by_patients(rows).savefig(path, dpi=160)
