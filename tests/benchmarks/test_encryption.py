"""The encryption benchmark runs, and what it writes has the figures that are read from it. No figure is a timing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.encryption.committee import BLOCK
from benchmarks.encryption.contest import weights_of
from benchmarks.encryption.sizes import llama_blocks, rounds
from benchmarks.encryption.tables import requirements
from benchmarks.encryption.traffic import measure as measure_traffic
from client_app.committee.payloads import CHUNK
from crossward.encryption.plan import PRESETS, FieldPlan

ROOT = Path(__file__).resolve().parents[2]
COMMITTEES = ["committee", "committee-j3", "committee-t2"]
NAMES = ["float32", *COMMITTEES, "compact", "balanced", "precise", "ckks-nvflare"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    file = tmp_path_factory.mktemp("figures") / "figures.json"
    command = [sys.executable, "-m", "benchmarks.encryption", "--quick", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text()), done.stdout


def test_every_way_has_a_row_and_ours_is_exact(ran: tuple[dict[str, Any], str]) -> None:
    rows = {row["name"]: row for row in ran[0]["rows"]}
    assert list(rows) == NAMES
    for row in rows.values():
        names = ("up_bytes_per_value", "down_bytes_per_value", "seal_values_per_s", "add_s", "open_values_per_s")
        assert all(row[name] > 0 for name in names)
        assert row["max_error"] < 1e-6
    for name, plan in PRESETS.items():
        up, down = plan.bytes_per_value()
        assert rows[name]["max_error"] == rows[name]["max_error_steps"] == 0
        assert rows[name]["up_bytes_per_value"] >= up and rows[name]["down_bytes_per_value"] >= down
        assert set(ran[0]["ratios"][name]) >= {"seal", "add", "open", "bytes_up", "bytes_down"}
        assert rows[name]["seal_values_per_s_all_cores"] > 0
    assert rows["ckks-nvflare"]["max_error"] > 0
    assert rows["ckks-nvflare"]["up_bytes_per_value"] > 40


def test_committees_rows_have_the_same_fields_and_their_own(ran: tuple[dict[str, Any], str]) -> None:
    rows = {row["name"]: row for row in ran[0]["rows"]}
    for name in COMMITTEES:
        row = rows[name]
        assert set(rows["compact"]) < set(row)
        assert row["up_bytes_per_value"] == row["down_bytes_per_value"] == row["share_bytes_per_value"] == 1.875
        assert row["max_error_steps"] == 0 and min(row["consent_s"], row["share_s"], row["combine_s"]) > 0
        assert set(ran[0]["ratios"][name]) == set(ran[0]["ratios"]["compact"])
        assert set(ran[0]["times_compact"][name]) == {"seal", "add", "open", "add_and_combine"}
    carriers = {"committee": 4, "committee-j3": 3, "committee-t2": 2}  # each uniform over W - 1 integers
    for name, number in carriers.items():
        assert rows[name]["dither_steps"] == pytest.approx((number / 12) ** 0.5, rel=0.05)


def test_a_committees_bytes_are_payload_and_what_it_adds(ran: tuple[dict[str, Any], str]) -> None:
    """Three updates and four downloads of 15 bits against 32: the rest are two or three shares, and kilobytes."""
    found = {(row["name"], row["values"]): row for row in ran[0]["traffic"]}
    for name, shares in (("committee", 2), ("committee-j3", 2), ("committee-t2", 3)):
        small, large = found[name, 100_000], found[name, 1_000_000]
        assert small["payload_times_float32"] == large["payload_times_float32"] == 15 / 32
        for row in (small, large):
            parts = row["committee_bytes"]
            assert parts["shares"] == shares * row["values"] * 15 / 8 and min(parts.values()) > 500
            total = row["payload_bytes"] + sum(parts.values())
            assert row["total_times_float32"] == total / (28 * row["values"])
        fixed = [sum(row["committee_bytes"].values()) - row["committee_bytes"]["shares"] for row in (small, large)]
        assert abs(fixed[0] - fixed[1]) < 500 < fixed[0] < 100_000  # signatures compress by chance


def test_committees_blocks_are_cut_as_nodes_cut_them() -> None:
    assert BLOCK == CHUNK


def test_each_role_of_the_large_adapter_is_measured_and_the_sum_is_exact(ran: tuple[dict[str, Any], str]) -> None:
    roles = ran[0]["llama"]["compact"]
    assert {row["role"] for row in roles} == {"seal", "add", "open"}
    for row in roles:
        assert row["values"] == sum(llama_blocks(1 / 32)) and row["bytes"] > 2 * row["values"]
        assert row["peak_mib"] >= row["before_mib"] > 0 and row["seconds"] > 0
        assert row.get("max_error_steps", 0) == 0
    for name in COMMITTEES:
        found = {row["role"]: row for row in ran[0]["llama"][name]}
        assert list(found) == ["seal", "answer", "add", "open"] and found["open"]["max_error_steps"] == 0
        for row in found.values():
            assert row["values"] == sum(llama_blocks(1 / 32)) and row["bytes"] == row["values"] * 15 / 8
            assert row["peak_mib"] >= row["before_mib"] > 0 and row["seconds"] > 0


def test_runs_on_the_virtual_clock_count_the_sums_that_tasks_carried(ran: tuple[dict[str, Any], str]) -> None:
    assert [row["scheme"] for row in ran[0]["virtual"]] == ["bfv", "committee"] * 2
    for row in ran[0]["virtual"]:
        plan = FieldPlan(*row["plan"])
        down = {"bfv": plan.bytes_per_value()[1], "committee": plan.field_bits / 8}
        assert (row["nodes"], row["buffer"]) == (4, 4)
        assert row["sums_per_update"] >= 1 and row["tasks_per_update"] >= 1
        assert row["down_bytes_per_value"] == pytest.approx(down[row["scheme"]] * row["sums_per_update"])
        if row["scheme"] == "committee":  # two shares a version of four updates; a statement and four boxes an update
            assert row["share_bytes_per_value"] == pytest.approx(2 * plan.field_bits / 8 / 4)
            assert 4 * 1136 < row["fixed_bytes"] < 50_000
            assert row["with_committee_times_float32"] > row["total_times_float32"]


def test_the_tables_name_every_way(ran: tuple[dict[str, Any], str]) -> None:
    assert all(name in ran[1] for name in NAMES) and "compact seal" in ran[1] and "N=4 K=4" in ran[1]
    assert "small sizes" in ran[1] and ran[0]["requirements"] == []
    assert "WARNING" not in ran[1]


def test_the_adapters_sizes_are_those_of_llama() -> None:
    assert sum(llama_blocks()) == 41_943_040 and len(llama_blocks()) == 2 * 7 * 32
    assert sum(llama_blocks(rank=64, factors="core")) == 64 * 64 * 224
    found = {(row["factors"], row["rank"], row["name"]): row for row in rounds((57.0, 32.0))}
    assert found["both", 16, "float32"]["times_float32_lora"] == 1.0
    assert found["core", 64, "compact"]["times_float32_lora"] < 0.03
    assert found["both", 16, "ckks-nvflare"]["times_float32"] == pytest.approx(89 / 8)


@pytest.mark.parametrize(("total", "clients"), [(128, 8), (64, 8), (1024, 3)])
def test_weights_are_unequal_and_sum_to_w(total: int, clients: int) -> None:
    weights = weights_of(total, clients)
    assert sum(weights) == total and min(weights) >= 1 and len(set(weights)) > 1


def test_a_requirement_that_is_not_met_says_so() -> None:
    row = {"role": "seal", "workers": 1, "over_vector_mib": 2000.0}
    (found,) = requirements({"llama": {"compact": [row]}})
    assert not found["met"] and found["limit"] == "<= 1024"


def test_a_version_of_the_default_committees_is_as_small_as_required() -> None:
    found = requirements({"traffic": measure_traffic(("committee", "committee-j3"), (1_000_000,))})
    assert len(found) == 4 and all(row["met"] for row in found)
    assert {row["limit"] for row in found} == {"<= 0.48", "<= 0.62"}
