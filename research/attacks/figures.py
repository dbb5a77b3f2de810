"""The attack suite drawn: leakage over the encrypted fraction, and tokens recovered over distinct tokens.

Not for: computing anything. matplotlib is imported here alone, without a display.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from research.attacks.gains import rescaled
from research.attacks.scores import Score

INK, MUTED = "#1c2733", "#5b6b7a"
_RANKINGS = {
    "sensitivity": ("by sensitivity (the policy)", "#1f4e8c", "o", "-"),
    "random": ("at random", "#e0a030", "s", "--"),
    "worst": ("least sensitive first", "#d1491b", "^", ":"),
}
_SWEEP = {
    ("pursuit", "24 bits"): ("pursuit, 24 bits", "#1f4e8c", "o", "-"),
    ("pursuit", "8 bits of its own range"): ("pursuit, 8 bits of the update's own range", "#6f9bd1", "s", "-"),
    ("pursuit", "8 bits"): ("pursuit, 8 bits of the run's range", "#3a9a8c", "D", "-"),
    ("span", "24 bits"): ("span check, 24 bits", "#d1491b", "^", "--"),
}


def _figure(width: float, height: float, columns: int) -> tuple[Any, list[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, columns, squeeze=False)[0])
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=MUTED, labelsize=10)
        axis.grid(axis="y", color="#e3e8ed", linewidth=0.8)
        axis.set_axisbelow(True)
    return figure, axes


def facts(note: str) -> dict[str, str]:
    """``key=value`` pairs of a score's note."""
    return dict(part.strip().split("=", 1) for part in note.split(";") if "=" in part)


def frontier(scores: Sequence[Score]) -> Any:
    """Rescaled leakage over the share of values sealed, a panel an attack and setting; bars are 95 % intervals."""
    rows = [(s, facts(s.note)) for s in scores]
    rows = [(s, f) for s, f in rows if "ranking" in f]
    panels = list(dict.fromkeys((s.attack, s.setting, s.metric) for s, _ in rows))
    figure, axes = _figure(4.6 * len(panels), 4.6, len(panels))
    for axis, panel in zip(axes, panels, strict=True):
        for ranking, (label, colour, mark, style) in _RANKINGS.items():
            mine = [(s, f) for s, f in rows if (s.attack, s.setting, s.metric) == panel and f["ranking"] == ranking]
            mine.sort(key=lambda row: float(row[1]["sealed"]))
            x = [100 * float(f["sealed"]) for _, f in mine]
            y = [rescaled(s.value, s.guess) for s, _ in mine]
            low = [at - rescaled(s.guess + s.low, s.guess) for at, (s, _) in zip(y, mine, strict=True)]
            high = [rescaled(s.guess + s.high, s.guess) - at for at, (s, _) in zip(y, mine, strict=True)]
            bars = [[max(v, 0.0) for v in low], [max(v, 0.0) for v in high]]
            axis.errorbar(x, y, yerr=bars, color=colour, marker=mark, linestyle=style, markersize=5, capsize=2,
                          elinewidth=0.9, label=label)  # fmt: skip
        margin = next(
            (s.margin / (1 - s.guess) for s, _ in rows if (s.attack, s.setting, s.metric) == panel and s.margin), 0
        )
        axis.axhspan(0, margin, color="#9aa5b1", alpha=0.25, linewidth=0, label="margin fixed beforehand")
        axis.set_title(f"{panel[2]}, {panel[1]}", fontsize=12, color=INK)
        axis.set_xlabel("values encrypted, %", color=INK, fontsize=11)
        axis.set_xlim(-3, 103)
        axis.set_ylim(-0.02, 1.05)
    axes[0].set_ylabel("leakage beyond the guess (0 none, 1 all)", color=INK, fontsize=11)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=11)
    figure.suptitle("What the aggregator learns from one update, over the encrypted fraction", color=INK, fontsize=13)
    return figure


def sweep(scores: Sequence[Score]) -> Any:
    """Share of a note's tokens recovered from one clear SGD step, over how many different ones it has."""
    figure, (axis,) = _figure(7.4, 4.8, 1)
    rank = 8.0
    rows = [(s, facts(s.note), s.note.split(";")[-1].strip()) for s in scores if "distinct=" in s.note]
    for (attack, label), (name, colour, mark, style) in _SWEEP.items():
        mine = sorted(((float(f["distinct"]), s) for s, f, bits in rows if s.attack == attack and bits == label),
                      key=lambda row: row[0])  # fmt: skip
        if not mine:
            continue
        x, y = [x for x, _ in mine], [s.value for _, s in mine]
        axis.plot(x, y, color=colour, marker=mark, linestyle=style, label=name)
    known = sorted({(float(f["distinct"]), s.guess) for s, f, bits in rows if bits == "24 bits" and s.attack == "span"})
    axis.plot(
        [x for x, _ in known], [y for _, y in known], color=MUTED, linestyle=":", label="guess without the update"
    )
    rank = next((float(f["rank"]) for _, f, _ in rows), rank)
    axis.axvline(3 * rank, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axis.annotate(
        "3 x rank", (3 * rank, 0.05), xytext=(-4, 0), textcoords="offset points", ha="right", color=MUTED, fontsize=10
    )
    axis.set_ylim(-0.02, 1.05)
    axis.set_xlabel("distinct tokens of the note", color=INK, fontsize=11)
    axis.set_ylabel("tokens recovered", color=INK, fontsize=11)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=10)
    figure.suptitle("One SGD step on one note, update in the clear", color=INK, fontsize=13)
    return figure


def write(scores: Sequence[Score], folder: Path) -> list[Path]:
    """The figures that the scores allow, as PNG files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    if any("ranking=" in s.note for s in scores):
        made.append((folder / "frontier.png", frontier(scores)))
    if any("distinct=" in s.note for s in scores):
        made.append((folder / "recovery.png", sweep(scores)))
    for path, figure in made:
        figure.savefig(path, dpi=150)
    return [path for path, _ in made]
