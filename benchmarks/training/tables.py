"""The figures of ``benchmarks.training`` as tables, and what is required of them.

Not for: measuring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rich.table import Table

from benchmarks.harness.figures import at_least, at_most, median_range, verdict
from benchmarks.harness.tables import Columns, table_of

Found = dict[str, Any]
TOLERANCE = 1e-3  # of losses, relative: what reordered float additions may change, and no more


def _of(found: Found, section: str) -> list[Found]:
    return [row for row in found["rows"] if row["section"] == section]


def _loops(found: Found) -> Table:
    columns: Columns = {
        "": ("name", ""),
        "tokens/s": ("tokens_per_second", ",.0f"),
        "fastest": ("tokens_per_second_best", ",.0f"),
        "seconds": ("seconds", ".3f"),
        "CPU s": ("cpu_seconds", ".3f"),
        "mean loss": ("loss", ".5f"),
        "loss after": ("loss_after", ".5f"),
    }
    title = f"Training loop: {found['steps']} steps of 4 x 256 tokens, {found['threads']} threads, medians by turn"
    table = table_of(title, _of(found, "loop"), columns)
    table.caption = f"relative difference of the losses: {found['losses_apart']:.1e}"
    return table


def _messages(found: Found) -> Table:
    columns: dict[str, tuple[str | Callable[[Found], Any], str]] = {"": ("engine", ""), "message": ("message", "")}
    heads = ("start", "flwr", "app", "overhead", "open in it", "seal in it", "train", "exit", "whole")
    names = ("process_s", "flower_s", "app_s", "overhead_s", "open_s", "seal_s", "train_s", "exit_s", "whole_s")
    columns |= {head: (name, ".3f") for head, name in zip(heads, names, strict=True)}
    columns["torch imported"] = (lambda row: f"{row['torch_imported']} of {row['count']}", "")
    title = "A message, medians in s: start of a process, imports, overhead (the handler without training), training"
    table = table_of(title, _of(found, "message"), columns)
    table.caption = f"processes left behind: {found['processes_left']}"
    return table


def _ranks(found: Found) -> Table:
    columns: Columns = {
        "processes": ("processes", ""),
        "threads each": ("threads", ""),
        "tokens/s": ("tokens_per_second", ",.0f"),
        "mean loss": ("loss", ".5f"),
    }
    table = table_of("Worker group on CPUs, 8 x 256 tokens a step", _of(found, "ranks"), columns)
    table.caption = f"difference of the adapters, relative to what training moved: {found['adapters_apart']:.1e}"
    return table


def _ratios(found: Found) -> Table:
    needed = {row["what"]: row | {"verdict": verdict(row)} for row in found["requirements"]}
    rows = [
        {"limit": "", "verdict": ""} | needed.get(name, {}) | {"name": name.replace("_", " ")} | median_range(pairs)
        for name, pairs in found["pairs"].items()
    ]
    columns: Columns = {
        "": ("name", ""),
        "median": ("median", ".3f"),
        "least": ("least", ".3f"),
        "most": ("most", ".3f"),
        "required": ("limit", ""),
        " ": ("verdict", ""),
    }
    return table_of("Ratios, medians of pairs measured side by side", rows, columns)


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
    rules = (
        ("loop_to_bare", at_least, 0.98),
        ("loop_to_trainer", at_least, 1.0),
        ("next_to_first_message", at_most, 0.1),
    )
    ratios = found["ratios"]
    return [rule(what, ratios[what], limit) for what, rule, limit in rules if what in ratios]
