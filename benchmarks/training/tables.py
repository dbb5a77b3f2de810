"""The figures of ``benchmarks.training`` as tables, and what is required of them.

Not for: measuring.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Table

Found = dict[str, Any]
TOLERANCE = 1e-3  # of losses, relative: what reordered float additions may change, and no more


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _of(found: Found, section: str) -> list[Found]:
    return [row for row in found["rows"] if row["section"] == section]


def ratio(pairs: list[float]) -> tuple[float, float, float]:
    """Median of ratios that were measured in pairs, and the smallest and largest of them."""
    return statistics.median(pairs), min(pairs), max(pairs)


def _loops(found: Found) -> Table:
    title = f"Training loop: {found['steps']} steps of 4 x 256 tokens, {found['threads']} threads, medians by turn"
    table = _table(title, "", "tokens/s", "fastest", "seconds", "CPU s", "mean loss", "loss after")
    for row in _of(found, "loop"):
        speeds = (f"{row[name]:,.0f}" for name in ("tokens_per_second", "tokens_per_second_best"))
        times = (f"{row[name]:.3f}" for name in ("seconds", "cpu_seconds"))
        table.add_row(row["name"], *speeds, *times, *(f"{row[name]:.5f}" for name in ("loss", "loss_after")))
    table.caption = f"relative difference of the losses: {found['losses_apart']:.1e}"
    return table


def _messages(found: Found) -> Table:
    title = "A message, medians in s: start of a process, imports, overhead (the handler without training), training"
    names = ("process_s", "flower_s", "app_s", "overhead_s", "open_s", "seal_s", "train_s", "exit_s", "whole_s")
    head = ("start", "flwr", "app", "overhead", "open in it", "seal in it", "train", "exit", "whole")
    table = _table(title, "", "message", *head, "torch imported")
    for row in _of(found, "message"):
        cells = (f"{row[name]:.3f}" if name in row else "-" for name in names)
        share = f"{row['torch_imported']} of {row['count']}"
        table.add_row(row["engine"], row["message"], *cells, share)
    table.caption = f"processes left behind: {found['processes_left']}"
    return table


def _ranks(found: Found) -> Table:
    table = _table("Worker group on CPUs, 8 x 256 tokens a step", "processes", "threads each", "tokens/s", "mean loss")
    for row in _of(found, "ranks"):
        speed = f"{row['tokens_per_second']:,.0f}"
        table.add_row(str(row["processes"]), str(row["threads"]), speed, f"{row['loss']:.5f}")
    table.caption = f"difference of the adapters, relative to what training moved: {found['adapters_apart']:.1e}"
    return table


def _ratios(found: Found) -> Table:
    table = _table("Ratios, medians of pairs measured side by side", "", "median", "least", "most", "required", "")
    needed = {row["what"]: row for row in found["requirements"]}
    for name, pairs in found["pairs"].items():
        row = needed.get(name)
        verdict = (row["limit"], "met" if row["met"] else "NOT MET") if row else ("", "")
        table.add_row(name.replace("_", " "), *(f"{value:.3f}" for value in ratio(pairs)), *verdict)
    return table


def tables(found: Found) -> Iterator[Table]:
    """Tables of the sections that were measured."""
    made_by = {"loop": _loops, "message": _messages, "ranks": _ranks}
    yield from (made(found) for section, made in made_by.items() if _of(found, section))
    yield _ratios(found)


def check_losses(rows: list[Found]) -> float:
    """The largest relative difference between the ways' losses.

    Raises
    ------
    RuntimeError
        they did not train the same, so that comparing their speeds would mean nothing.
    """
    apart = 0.0
    for name in ("loss", "loss_after"):
        found = [row[name] for row in rows]
        apart = max(apart, (max(found) - min(found)) / min(found))
    if not apart <= TOLERANCE:
        told = ", ".join(f"{row['name']} {row['loss']:.5f} / {row['loss_after']:.5f}" for row in rows)
        raise RuntimeError(f"the loops differ in more than speed (mean loss / loss after): {told}")
    return apart


def requirements(found: Found) -> list[Found]:
    """What is required of the ratios."""
    rules = (("loop_to_bare", ">=", 0.98), ("loop_to_trainer", ">=", 1.0), ("next_to_first_message", "<=", 0.1))
    out = []
    for what, sign, limit in rules:
        if what not in found["ratios"]:
            continue
        value = found["ratios"][what]
        met = value >= limit if sign == ">=" else value <= limit
        out.append({"what": what, "value": value, "limit": f"{sign} {limit:g}", "met": met})
    return out
