"""The sensitivity of an adapter's blocks as a heat map: layers by modules, one panel a factor, sealed blocks framed.

Not for: measuring (``client_app.update.sensitivity``). matplotlib is imported here alone, without a display.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossward.adapters.layout import Layout

FRAME, INK, MUTED = "#d1491b", "#1c2733", "#5b6b7a"
_NAME = re.compile(r"(?:(?P<layer>.*?\.\d+)\.)?(?P<module>.*?)\.lora_(?P<factor>\w+?)(?:\.weight)?$")
_FACTORS = {"A": "A (sees inputs)", "B": "B (sees output gradients)"}


def cells(layout: Layout) -> list[tuple[str, str, str]]:
    """(layer, module, factor) of every block; a name of another form is a module of its own."""
    found = []
    for block in layout.blocks:
        match = _NAME.match(block.name)
        layer, module, factor = match.group("layer", "module", "factor") if match else ("", block.name, "")
        found.append((layer or "", module.rsplit(".", 1)[-1], factor))
    return found


def _short(layer: str, layers: Sequence[str]) -> str:
    """The layer's number, with its stack's name where there is more than one stack."""
    stacks = {name.rpartition(".")[0] for name in layers}
    return layer if len(stacks) > 1 else layer.rpartition(".")[2] or "-"


def draw(layout: Layout, scores: NDArray[np.float64], mask: Sequence[bool], path: Path, model: str) -> None:
    """Write the figure to ``path``; the suffix says in which format. ``scores`` float64 [blocks], ``mask`` [blocks].

    The same numbers make the same file. Raises OSError where ``path`` cannot be written.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

    places = cells(layout)
    layers = list(dict.fromkeys(layer for layer, _, _ in places))
    modules = list(dict.fromkeys(module for _, module, _ in places))
    factors = list(dict.fromkeys(factor for _, _, factor in places))
    rows, columns = len(layers), len(modules) * len(factors)
    height = 0.4 if rows <= 12 else 0.22 if rows <= 48 else 0.15
    size = (max(2.2 + 0.72 * columns, 8.0), 2.25 + height * max(rows, 4))
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    top, bottom = 1 - 0.95 / size[1], 1.1 / size[1]
    axes: Any = figure.subplots(1, len(factors), squeeze=False, sharey=True)[0]
    figure.subplots_adjust(0.9 / size[0], bottom, 1 - 1.0 / size[0], top, wspace=0.06)
    high = max(float(scores.max(initial=0.0)), 0.1)
    shown: Any = None
    for axis, factor in zip(axes, factors, strict=True):
        grid = np.full((rows, len(modules)), np.nan)
        for (layer, module, part), score, sealed in zip(places, scores, mask, strict=True):
            if part != factor:
                continue
            y, x = layers.index(layer), modules.index(module)
            grid[y, x] = score
            if sealed:
                axis.add_patch(Rectangle((x - 0.44, y - 0.42), 0.88, 0.84, fill=False, edgecolor=FRAME, linewidth=2))
            if rows <= 48:
                colour = "white" if score > 0.55 * high else INK
                axis.text(x, y, f"{score:.2f}", ha="center", va="center", color=colour, fontsize=8 if rows <= 12 else 7)
        shown = axis.imshow(grid, cmap="Blues", vmin=0.0, vmax=high, aspect="auto")
        axis.set_title(f"factor {_FACTORS.get(factor, factor)}", fontsize=10, color=INK)
        axis.set_xticks(range(len(modules)), modules, rotation=35, ha="right", fontsize=9)
        step = 1 if rows <= 48 else 4
        axis.set_yticks(range(0, rows, step), [_short(layer, layers) for layer in layers[::step]], fontsize=9)
        axis.tick_params(length=0)
        axis.set_xticks(np.arange(-0.5, len(modules)), minor=True)
        axis.set_yticks(np.arange(-0.5, rows), minor=True)
        axis.grid(which="minor", color="white", linewidth=1.5)
        axis.tick_params(which="minor", length=0)
        for side in axis.spines.values():
            side.set_visible(False)
    axes[0].set_ylabel("layer", fontsize=10)
    bar = figure.colorbar(shown, cax=figure.add_axes((1 - 0.85 / size[0], bottom, 0.16 / size[0], top - bottom)))
    bar.set_label("score", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    share = sum(block.size for block, sealed in zip(layout.blocks, mask, strict=True) if sealed) / layout.total
    left = 0.9 / size[0]
    figure.text(
        left, 1 - 0.3 / size[1], f"What each adapter block reveals about its text ({model})", fontsize=12, color=INK
    )
    figure.text(
        left,
        1 - 0.55 / size[1],
        "how well a block's gradient shows which of two public texts held a word (0: no better than chance, 1: always)",
        fontsize=9,
        color=MUTED,
    )
    label = f"sealed: {sum(mask)} of {len(mask)} blocks, {share:.0%} of {layout.total:,} values; the others are clear"
    figure.legend(
        handles=[Patch(fill=False, edgecolor=FRAME, linewidth=2, label=label)],
        loc="lower left",
        bbox_to_anchor=(left, 0.0),
        frameon=False,
        fontsize=9,
        borderaxespad=0.4,
    )
    with matplotlib.rc_context({"svg.hashsalt": "crossward", "svg.fonttype": "none"}):
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
