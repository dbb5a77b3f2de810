"""The figures of ``benchmarks.encryption`` as tables, and what is required of them.

Not for: measuring.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Found = dict[str, Any]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns, the first to the left."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = []
    for first, *cells in (head, *rows):
        aligned = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *aligned]))
    return lines


def _mega(value: float | None) -> str:
    return "-" if value is None else f"{value / 1e6:.2f}"


def _rows(found: Found) -> Iterator[str]:
    cores = found["cores"]
    yield f"{found['values']:,} values, {found['clients']} clients; M/s: millions of values a second"
    head = ["", "up B/v", "down B/v", "seal M/s", "add s", "open M/s"]
    head += [f"{name}, {cores} cores" for name in ("seal", "add", "open")] + ["largest error", "in steps"]
    body = []
    for row in found["rows"]:
        body.append(
            [
                row["name"],
                f"{row['up_bytes_per_value']:.2f}",
                f"{row['down_bytes_per_value']:.2f}",
                _mega(row["seal_values_per_s"]),
                f"{row['add_s']:.3f}",
                _mega(row["open_values_per_s"]),
                _mega(row.get("seal_values_per_s_all_cores")),
                f"{row['add_s_all_cores']:.3f}" if "add_s_all_cores" in row else "-",
                _mega(row.get("open_values_per_s_all_cores")),
                f"{row['max_error']:.1e}",
                str(row.get("max_error_steps", "-")),
            ]
        )
    yield from _table(head, body)
    ckks = found["rows"][-1]
    yield (
        f"ckks-nvflare adds with the server's weights; with weights that clients multiplied in before: "
        f"{ckks['add_client_weights_s']:.3f} s"
    )
    yield "ours on all cores adds as this benchmark hands it to processes"
    yield ""
    yield "times better than ckks-nvflare"
    names = list(next(iter(found["ratios"].values())))
    body = [[preset, *(f"{ratio[name]:.1f}" for name in names)] for preset, ratio in found["ratios"].items()]
    yield from _table(["", *(name.replace("_", " ") for name in names)], body)


def _llama(found: Found) -> Iterator[str]:
    yield "Llama-3.1-8B, rank-16 factors on all linear layers; peak memory in MiB, each role in a process of its own"
    head = ["", "processes", "values", "message MB", "seconds", "M/s", "its vector", "main", "children", "over vector"]
    body = []
    for preset, roles in found["llama"].items():
        for row in roles:
            body.append(
                [
                    f"{preset} {row['role']}",
                    str(row["workers"]),
                    f"{row['values']:,}",
                    f"{row['bytes'] / 1e6:.1f}",
                    f"{row['seconds']:.2f}",
                    _mega(row["values_per_s"]),
                    *(f"{row[name]:.0f}" for name in ("vector_mib", "peak_mib", "children_mib", "over_vector_mib")),
                ]
            )
    yield from _table(head, body)


def _rounds(found: Found) -> Iterator[str]:
    yield "A client's round on Llama-3.1-8B: MB up and down, times float32 of the same values, and of rank-16 LoRA"
    body = [
        [
            f"{row['factors']} r={row['rank']}, {row['name']}",
            f"{row['values']:,}",
            f"{row['up_bytes'] / 1e6:.2f}",
            f"{row['down_bytes'] / 1e6:.2f}",
            f"{row['times_float32']:.3f}",
            f"{row['times_float32_lora']:.4f}",
        ]
        for row in found["rounds"]
    ]
    yield from _table(["", "values", "up", "down", "x float32", "x float32 LoRA r=16"], body)


def _virtual(found: Found) -> Iterator[str]:
    yield "Bytes per value and contributed update in asynchronous runs (float32: 4 up, 4 down)"
    body = [
        [
            f"N={row['nodes']} K={row['buffer']}",
            row["preset"],
            f"{row['versions']}",
            f"{row['max_staleness']}",
            f"{row['tasks_per_update']:.2f}",
            f"{row['missed_versions_per_update']:.2f}",
            f"{row['sums_per_update']:.2f}",
            f"{row['up_bytes_per_value']:.2f}",
            f"{row['down_bytes_per_value']:.2f}",
            f"{row['down_times_float32']:.2f}",
            f"{row['total_times_float32']:.2f}",
            f"{row['down_bytes_per_value_without_sums']:.2f}",
        ]
        for row in found["virtual"]
    ]
    head = ["", "preset", "versions", "max-staleness", "tasks", "missed", "sums", "up", "down", "down x", "both x"]
    yield from _table([*head, "down if V=1"], body)


def _grid(found: Found) -> Iterator[str]:
    yield "A real run with the large adapter, no model and no training; peak MiB, all and without shared memory"
    body = [
        [
            f"{row['preset']}, {row['nodes']} nodes",
            f"{row['values']:,}",
            f"{row['versions']}",
            f"{row['accepted']}",
            f"{row['bytes_up'] / 1e6:.1f}",
            f"{row['bytes_down'] / 1e6:.1f}",
            f"{row['delta_mib']:.0f}",
            f"{row['server_mib']:.0f}",
            f"{row['server_private_mib']:.0f}",
            f"{max(row['clients_mib'], default=0.0):.0f}",
            f"{row['client_private_mib']:.0f}",
            f"{max(row['sealing_processes_mib'], default=0.0):.0f}",
        ]
        for row in found["grid"]
    ]
    head = ["", "values", "versions", "updates", "MB up", "MB down", "float32 delta"]
    head += ["server, engine", "its own", "largest client", "its own", "largest sealing process"]
    yield from _table(head, body)
    yield ""
    yield "The strategy and run folder alone, without the engine"
    body = [
        [
            f"{row['preset']}, {row['nodes']} nodes",
            f"{row['versions']}",
            f"{row['message_bytes'] / 1e6:.1f}",
            f"{row['task_bytes'] / 1e6:.1f}",
            f"{row['before_mib']:.0f}",
            f"{row['peak_mib']:.0f}",
        ]
        for row in found.get("server", [])
    ]
    yield from _table(["", "versions", "MB an update", "MB a task", "MiB after imports", "peak MiB"], body)


def tables(found: Found) -> Iterator[str]:
    """Lines of all tables."""
    made_by = {"rows": _rows, "llama": _llama, "rounds": _rounds, "virtual": _virtual, "grid": _grid}
    for name, made in made_by.items():
        if name in found:
            yield from made(found)
            yield ""
    if not found["requirements"]:
        yield "small sizes: none of these figures says how fast or how large anything is"
        return
    body = [
        [row["what"], f"{row['value']:.4g}", row["limit"], "met" if row["met"] else "NOT MET"]
        for row in found["requirements"]
    ]
    yield from _table(["required", "measured", "limit", ""], body)


def requirements(found: Found) -> list[Found]:
    """What is required of the figures that were measured."""
    return [*_of_rows(found), *_of_memory(found), *_of_downloads(found)]


def _at_most(what: str, value: float, limit: float) -> Found:
    return {"what": what, "value": value, "limit": f"<= {limit:g}", "met": value <= limit}


def _at_least(what: str, value: float, limit: float) -> Found:
    return {"what": what, "value": value, "limit": f">= {limit:g}", "met": value >= limit}


def _of_rows(found: Found) -> Iterator[Found]:
    if "rows" not in found:
        return
    rows = {row["name"]: row for row in found["rows"]}
    yield _at_most("compact, bytes a value up", rows["compact"]["up_bytes_per_value"], 2.8)
    yield _at_most("compact, bytes a value down", rows["compact"]["down_bytes_per_value"], 5.5)
    yield _at_least("compact, sealing, times ckks-nvflare", found["ratios"]["compact"]["seal"], 12)
    yield _at_least("compact, adding, times ckks-nvflare", found["ratios"]["compact"]["add"], 8)
    for name in found["ratios"]:
        yield _at_most(f"{name}, largest error in steps", rows[name]["max_error_steps"], 0)


def _of_memory(found: Found) -> Iterator[Found]:
    for preset, roles in found.get("llama", {}).items():
        for row in roles:
            what = f"{preset}, {row['role']} in {row['workers']} processes, MiB "
            if row["role"] == "add":
                yield _at_most(what + "in all", row["over_vector_mib"], 512 + 2 * row["message_bytes"] / 2**20)
            else:
                yield _at_most(what + "over the vector", row["over_vector_mib"], 1024)
            if "max_error_steps" in row:
                yield _at_most(what.replace("MiB ", "error in steps"), row["max_error_steps"], 0)
    for row in found.get("grid", []):
        what = f"{row['preset']}, {row['nodes']} nodes, a real run: MiB of "
        yield _at_most(what + "a client over its float32 delta", row["clients_mib"][0] - row["delta_mib"], 1024)
    for row in found.get("server", []):
        what = f"{row['preset']}, {row['nodes']} nodes, strategy and run folder: MiB in all"
        yield _at_most(what, row["peak_mib"], 512 + 2 * row["message_bytes"] / 2**20)


def _of_downloads(found: Found) -> Iterator[Found]:
    for row in found.get("virtual", []):
        if (row["nodes"], row["buffer"]) == (100, 10):
            what = f"N=100, K=10, max-staleness {row['max_staleness']}: down, times float32"
            yield _at_most(what, row["down_times_float32"], 2.1)
