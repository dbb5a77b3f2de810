"""Names of hospitals in little room, so that they can still be told apart.

Not for: which name a hospital has (``crossward.report.lanes``) or making a node's words harmless
(``crossward.report.svg.clean``).
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size


def fitted(name: str, width: int) -> str:
    """``name`` in ``width`` columns: what is too long loses its middle, as names often differ at their ends."""
    if cell_len(name) <= width:
        return name
    tail = (width - 1) // 2
    return f"{set_cell_size(name, width - 1 - tail)}…{set_cell_size(name[::-1], tail)[::-1]}"


def labels(names: Sequence[str], width: int) -> list[str]:
    """``names`` in ``width`` columns each; should they look alike then, without what all of them begin with."""
    cut = [fitted(name, width) for name in names]
    if len(set(cut)) < len(set(names)):
        alike = next((i for i, found in enumerate(zip(*names, strict=False)) if len(set(found)) > 1), 0)
        cut = [fitted("…" + name[alike:], width) for name in names]
    return cut
