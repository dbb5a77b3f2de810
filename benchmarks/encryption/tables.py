"""The figures of ``benchmarks.encryption`` as tables, and what is required of them.

Not for: measuring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rich.console import RenderableType

from benchmarks.harness.figures import at_least, at_most
from benchmarks.harness.tables import requirements_table, table_of

Found = dict[str, Any]
DEFAULTS = ("committee", "committee-j3")  # committees that consortia have unless they choose another


def _rows(found: Found) -> Iterator[RenderableType]:
    cores = found["cores"]
    yield table_of(
        f"{found['values']:,} values, {found['clients']} clients; M/s: millions of values a second",
        found["rows"],
        {
            "": ("name", ""),
            "up B/v": ("up_bytes_per_value", ".2f"),
            "down B/v": ("down_bytes_per_value", ".2f"),
            "seal M/s": ("seal_values_per_s", ".2fM"),
            "add s": ("add_s", ".3f"),
            "open M/s": ("open_values_per_s", ".2fM"),
            f"seal, {cores} cores": ("seal_values_per_s_all_cores", ".2fM"),
            f"add, {cores} cores": ("add_s_all_cores", ".3f"),
            f"open, {cores} cores": ("open_values_per_s_all_cores", ".2fM"),
            "largest error": ("max_error", ".1e"),
            "in steps": ("max_error_steps", ""),
        },
    )
    ckks = found["rows"][-1]
    yield (
        f"ckks-nvflare adds with the server's weights; with weights that clients multiplied in before: "
        f"{ckks['add_client_weights_s']:.3f} s"
    )
    yield "bfv's presets on all cores add as this benchmark hands it to processes; committees do all of it in threads"
    yield table_of(
        "committees on one core: times compact's speed, in turns; milliseconds of the whole version",
        [row | found["times_compact"][row["name"]] for row in found["rows"] if row["name"] in found["times_compact"]],
        {
            "": ("name", ""),
            "seal x": ("seal", ".1f"),
            "add x": ("add", ".1f"),
            "add and combine x": ("add_and_combine", ".1f"),
            "open x": ("open", ".1f"),
            "a consent ms": (lambda row: 1e3 * row["consent_s"], ".1f"),
            "a member's share ms": (lambda row: 1e3 * row["share_s"], ".1f"),
            "add ms": (lambda row: 1e3 * row["add_s"], ".1f"),
            "combine ms": (lambda row: 1e3 * row["combine_s"], ".1f"),
            "share B/v": ("share_bytes_per_value", ".2f"),
            "dither steps": ("dither_steps", ".2f"),
        },
    )
    names = next(iter(found["ratios"].values()))
    yield table_of(
        "times better than ckks-nvflare",
        ({"name": name} | ratio for name, ratio in found["ratios"].items()),
        {"": ("name", "")} | {name.replace("_", " "): (name, ".1f") for name in names},
    )


def _llama(found: Found) -> Iterator[RenderableType]:
    yield table_of(
        "Llama-3.1-8B, rank-16 factors on all linear layers; peak memory in MiB, each role in a process of its own",
        ({"name": name} | row for name, roles in found["llama"].items() for row in roles),
        {
            "": (lambda row: f"{row['name']} {row['role']}", ""),
            "processes": ("workers", ""),
            "values": ("values", ","),
            "message MB": ("bytes", ".1fM"),
            "seconds": ("seconds", ".2f"),
            "M/s": ("values_per_s", ".2fM"),
            "its vector": ("vector_mib", ".0f"),
            "main": ("peak_mib", ".0f"),
            "children": ("children_mib", ".0f"),
            "over vector": ("over_vector_mib", ".0f"),
        },
    )


def _rounds(found: Found) -> Iterator[RenderableType]:
    yield table_of(
        "A client's round on Llama-3.1-8B: MB up and down, times float32 of the same values, and of rank-16 LoRA",
        found["rounds"],
        {
            "": (lambda row: f"{row['factors']} r={row['rank']}, {row['name']}", ""),
            "values": ("values", ","),
            "up": ("up_bytes", ".2fM"),
            "down": ("down_bytes", ".2fM"),
            "x float32": ("times_float32", ".3f"),
            "x float32 LoRA r=16": ("times_float32_lora", ".4f"),
        },
    )


def _traffic(found: Found) -> Iterator[RenderableType]:
    def kilobytes(name: str) -> tuple[Callable[[Found], float], str]:
        return lambda row: row["committee_bytes"][name] / 1e3, ",.1f"

    first = found["traffic"][0]
    yield table_of(
        f"A version of {first['buffer']} updates that {first['nodes']} nodes download: times float32's bytes, kB",
        found["traffic"],
        {
            "": ("name", ""),
            "values": ("values", ","),
            "payload x": ("payload_times_float32", ".3f"),
            "with committee x": ("total_times_float32", ".3f"),
            "bfv x": ("bfv_times_float32", ".3f"),
            "payload": (lambda row: row["payload_bytes"] / 1e3, ",.0f"),
            **{name.replace("_", " "): kilobytes(name) for name in first["committee_bytes"]},
        },
    )


def _virtual(found: Found) -> Iterator[RenderableType]:
    yield table_of(
        "Bytes per value and contributed update in asynchronous runs (float32: 4 up, 4 down)",
        found["virtual"],
        {
            "": (lambda row: f"N={row['nodes']} K={row['buffer']}, {row['scheme']}", ""),
            "preset": ("preset", ""),
            "versions": ("versions", ""),
            "max-staleness": ("max_staleness", ""),
            "tasks": ("tasks_per_update", ".2f"),
            "missed": ("missed_versions_per_update", ".2f"),
            "sums": ("sums_per_update", ".2f"),
            "up": ("up_bytes_per_value", ".2f"),
            "down": ("down_bytes_per_value", ".2f"),
            "down x": ("down_times_float32", ".2f"),
            "both x": ("total_times_float32", ".2f"),
            "down if V=1": ("down_bytes_per_value_without_sums", ".2f"),
            "shares": ("share_bytes_per_value", ".2f"),
            "fixed kB": (lambda row: row["fixed_bytes"] / 1e3 if "fixed_bytes" in row else None, ".1f"),
            "with committee x": ("with_committee_times_float32", ".2f"),
        },
    )


def _grid(found: Found) -> Iterator[RenderableType]:
    name = (lambda row: f"{row['preset']}, {row['nodes']} nodes", "")
    yield table_of(
        "A real run with the large adapter, no model and no training; peak MiB, all and without shared memory",
        found["grid"],
        {
            "": name,
            "values": ("values", ","),
            "versions": ("versions", ""),
            "updates": ("accepted", ""),
            "MB up": ("bytes_up", ".1fM"),
            "MB down": ("bytes_down", ".1fM"),
            "float32 delta": ("delta_mib", ".0f"),
            "server, engine": ("server_mib", ".0f"),
            "server's own": ("server_private_mib", ".0f"),
            "largest client": (lambda row: max(row["clients_mib"], default=0.0), ".0f"),
            "client's own": ("client_private_mib", ".0f"),
            "largest sealing process": (lambda row: max(row["sealing_processes_mib"], default=0.0), ".0f"),
        },
    )
    yield table_of(
        "The strategy and run folder alone, without the engine",
        found.get("server", []),
        {
            "": name,
            "versions": ("versions", ""),
            "MB an update": ("message_bytes", ".1fM"),
            "MB a task": ("task_bytes", ".1fM"),
            "MiB after imports": ("before_mib", ".0f"),
            "peak MiB": ("peak_mib", ".0f"),
        },
    )


def tables(found: Found) -> Iterator[RenderableType]:
    """The tables of what was measured, and lines between them."""
    made_by = {
        "rows": _rows,
        "llama": _llama,
        "rounds": _rounds,
        "traffic": _traffic,
        "virtual": _virtual,
        "grid": _grid,
    }
    for name, made in made_by.items():
        if name in found:
            yield from made(found)
    if found["requirements"]:
        yield requirements_table(found["requirements"])
    else:
        yield "small sizes: none of these figures says how fast or how large anything is"


def requirements(found: Found) -> list[Found]:
    """What is required of the figures that were measured."""
    return [*_of_rows(found), *_of_traffic(found), *_of_memory(found), *_of_downloads(found)]


def _of_rows(found: Found) -> Iterator[Found]:
    if "rows" not in found:
        return
    rows = {row["name"]: row for row in found["rows"]}
    yield at_most("compact, bytes a value up", rows["compact"]["up_bytes_per_value"], 2.8)
    yield at_most("compact, bytes a value down", rows["compact"]["down_bytes_per_value"], 5.5)
    yield at_least("compact, sealing, times ckks-nvflare", found["ratios"]["compact"]["seal"], 12)
    yield at_least("compact, adding, times ckks-nvflare", found["ratios"]["compact"]["add"], 8)
    for name in found["ratios"]:
        yield at_most(f"{name}, largest error in steps", rows[name]["max_error_steps"], 0)
    for name in DEFAULTS:
        for what, limit in (("seal", 2), ("add", 10), ("open", 3)):
            yield at_least(f"{name}, {what}, times compact in turns", found["times_compact"][name][what], limit)


def _of_traffic(found: Found) -> Iterator[Found]:
    for row in found.get("traffic", []):
        if row["name"] in DEFAULTS and row["values"] >= 1_000_000:
            what = f"{row['name']}, {row['values']:,} values, bytes of a version, times float32, "
            yield at_most(what + "payload", row["payload_times_float32"], 0.48)
            yield at_most(what + "with the committee's", row["total_times_float32"], 0.62)


def _of_memory(found: Found) -> Iterator[Found]:
    for name, roles in found.get("llama", {}).items():
        for row in roles:
            what = f"{name}, {row['role']} in {row['workers']} processes, MiB "
            if "message_bytes" in row:
                yield at_most(what + "in all", row["over_vector_mib"], 512 + 2 * row["message_bytes"] / 2**20)
            else:
                yield at_most(what + "over the vector", row["over_vector_mib"], 1024)
            if "max_error_steps" in row:
                yield at_most(what.replace("MiB ", "error in steps"), row["max_error_steps"], 0)
    for row in found.get("grid", []):
        what = f"{row['preset']}, {row['nodes']} nodes, a real run: MiB of "
        yield at_most(what + "a client over its float32 delta", row["clients_mib"][0] - row["delta_mib"], 1024)
    for row in found.get("server", []):
        what = f"{row['preset']}, {row['nodes']} nodes, strategy and run folder: MiB in all"
        yield at_most(what, row["peak_mib"], 512 + 2 * row["message_bytes"] / 2**20)


def _of_downloads(found: Found) -> Iterator[Found]:
    for row in found.get("virtual", []):
        if (row["nodes"], row["buffer"]) == (100, 10):
            what = f"N=100, K=10, {row['scheme']}, max-staleness {row['max_staleness']}: down, times float32"
            yield at_most(what, row["down_times_float32"], 2.1)
