"""The asynchrony benchmark checks its settings, agrees with arithmetic by hand, and writes its figures.

No figure is a timing of this machine.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.asynchrony import __main__ as asynchrony
from benchmarks.asynchrony.clock import WireSize, computes, links, plan_for
from benchmarks.asynchrony.config import RATES, SETTINGS, ConfigError, read_config, read_rates
from benchmarks.asynchrony.curve import Curve
from benchmarks.asynchrony.jobs import Job, Outcome, changed, make
from benchmarks.asynchrony.kept import Kept
from benchmarks.asynchrony.rows import figures, ratios
from benchmarks.asynchrony.run import ASYNC, SYNC
from benchmarks.asynchrony.tables import verdicts
from benchmarks.asynchrony.toy import hospitals
from benchmarks.asynchrony.tuning import best_rate, tune
from crossward.config.encryption_schemes import COMMITTEE
from crossward.config.weight_rules import FEDASYNC, FEDBUFF
from crossward.encryption.plan import FieldPlan

CONFIG = read_config()
RNG = np.random.default_rng


def settings(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    """settings.toml with some lines replaced."""
    text = SETTINGS.read_text()
    for before, after in changes:
        assert len(re.findall(f"^{before}", text, re.M)) == 1
        text = re.sub(f"^{before}.*$", after, text, flags=re.M)
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return path


# ---------------------------------------------------------------------- settings


def test_the_settings_hold_what_the_comparison_promises() -> None:
    assert CONFIG.links.spreads == (1, 10, 100) and CONFIG.toy.nodes == (100, 1000)
    assert (CONFIG.headline.nodes, CONFIG.headline.spread, CONFIG.headline.published) == (100, 10, 3.3)
    assert len(CONFIG.toy.seeds) >= 5 and len(CONFIG.tiny.seeds) >= 2
    assert not set(CONFIG.toy.seeds) & set(CONFIG.toy.tuning_seeds), "rates are not tuned on what is measured"
    assert set(CONFIG.toy.quick_seeds) <= set(CONFIG.toy.seeds)
    assert not set(CONFIG.tiny.seeds) & set(CONFIG.tiny.tuning_seeds)
    rates = read_rates(CONFIG, RATES)
    assert {f"{s}-{n}" for s in (ASYNC, SYNC, FEDBUFF, FEDASYNC) for n in CONFIG.toy.nodes} <= set(rates)


@pytest.mark.parametrize(
    ("line", "instead", "expected"),
    [
        ("latency", "latency = -1.0", r"task\.latency = -1\.0: expected more than 0"),
        ("latency", 'latency = "slow"', r"task\.latency = 'slow': expected float"),
        ("latency", "", r"task\.latency is missing"),
        ("latency", "latency = 1.0\nspeed = 2", r"task\.speed is no setting; known are latency"),
        ("spreads", "spreads = []", r"links\.spreads = \[\]: expected a list"),
        ("target_share ", "target_share = 1.5", r"toy\.target_share = 1\.5: expected less than 1"),
        ("compute = \\[", 'compute = ["fast"]', r"task\.compute = 'fast': expected one of half-normal"),
        ("nodes = 20", "nodes = true", r"weighting\.nodes = True: expected int"),
        ("latency", "latency = [", r"is not TOML"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, line: str, instead: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        read_config(settings(tmp_path, (line, instead)))


def test_a_rate_outside_the_grid_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rates.toml"
    path.write_text("[rates]\nfedavg-100 = 0.123\n")
    with pytest.raises(ConfigError, match=r"rates\.fedavg-100 = 0\.123: expected one of"):
        read_rates(CONFIG, path)


# ---------------------------------------------------------------------- the clock


def test_links_and_computes_have_their_spread_and_their_middle() -> None:
    for spread in (1, 10, 100):
        mbit = np.sort(links(CONFIG, 100, spread, RNG(0)))
        assert mbit[-1] / mbit[0] == pytest.approx(spread**0.99)
        assert np.exp(np.log(mbit).mean()) == pytest.approx(100.0)
    assert set(computes(CONFIG, 100, "equal", RNG(0))) == {120.0}
    half = computes(CONFIG, 1000, "half-normal", RNG(0))
    assert half.mean() == pytest.approx(120.0) and half.min() >= 0
    assert half.std() / half.mean() == pytest.approx((np.pi / 2 - 1) ** 0.5, rel=0.01)  # of |N(0, 1)|
    tenfold = computes(CONFIG, 100, "10x", RNG(0))
    assert tenfold.mean() == pytest.approx(120.0) and tenfold.max() / tenfold.min() == pytest.approx(10**0.99)


def test_bytes_are_those_of_the_sealed_adapter() -> None:
    compact = WireSize.of(41_900_000, FieldPlan(8, 7, 0))
    assert compact == WireSize(105_000_000, 209_500_000) or abs(compact.update - 105e6) < 0.5e6
    assert abs(compact.sum - 209.5e6) < 0.5e6  # three values a slot: 61,440 bytes for 12,288 values
    assert plan_for(100, 100).total_weight >= 400 and plan_for(100, 100).max_versions == 1
    plan = plan_for(100, 10)
    assert plan.fields_per_slot == 2 and plan.max_versions >= 10  # what a node misses comes in one sum
    plan.check_sealable()
    plan_for(1000, 1).check_sealable()


def job(strategy: str, **given: object) -> Job:
    values = {"study": "speed", "nodes": 8, "spread": 10.0, "compute": "equal", "seed": 1, "rate": 1.1, "updates": 32}
    return Job(strategy=strategy, **(values | {"buffer": 4} | given))  # type: ignore[arg-type]


def test_a_synchronous_round_takes_as_long_as_its_slowest_hospital() -> None:
    """By hand: version 1 is made after one upload over the slowest link, the next after a sum and an upload."""
    curve = make(CONFIG, job(SYNC, cohort=8)).curve
    plan = plan_for(8, 8)
    size = WireSize.of(CONFIG.wire.values, plan)
    slowest = 100 * 10 ** (-7 / 16)
    fixed = 2 * CONFIG.task.latency + CONFIG.task.seal_seconds + CONFIG.task.compute_mean
    first = fixed + 8e-6 * size.update / slowest
    later = fixed + 8e-6 * (size.update + size.sum) / slowest
    assert curve.seconds == pytest.approx([0, first, first + later, first + 2 * later, first + 3 * later])
    assert curve.updates == [0, 8, 16, 24, 32]
    assert curve.bytes == pytest.approx([8 * (r * size.update + max(r - 1, 0) * size.sum) for r in range(5)])


def test_a_committee_takes_two_messages_more_a_version_and_moves_fewer_bytes() -> None:
    """By hand, over equal links: a round of messages for the roster, then two for every version, and a share's way."""
    curve = make(CONFIG, job(SYNC, cohort=8, spread=1.0, updates=24, scheme=COMMITTEE)).curve
    size = WireSize.of(CONFIG.wire.values, plan_for(8, 8, COMMITTEE), COMMITTEE)
    question = 2 * CONFIG.task.latency + CONFIG.task.member_seconds
    opening = 2 * question + 8e-8 * size.update
    training = 2 * CONFIG.task.latency + CONFIG.task.seal_seconds + CONFIG.task.compute_mean + 8e-8 * size.update
    first, later = question + training + opening, training + opening + 8e-8 * size.sum
    assert curve.seconds == pytest.approx([0, first, first + later, first + 2 * later], abs=1e-3)
    assert curve.loss[-1] < curve.loss[0] and curve.updates == [0, 8, 16, 24]
    shares = 2  # of four members
    assert curve.bytes == pytest.approx(
        [r * (8 + shares) * size.update + 8 * max(r - 1, 0) * size.sum for r in range(4)]
    )
    under_bfv = WireSize.of(CONFIG.wire.values, plan_for(8, 8))
    assert size.update < 0.8 * under_bfv.update and size.sum < 0.41 * under_bfv.sum


def test_whoever_waits_for_nobody_makes_versions_sooner_and_later_ones_are_stale() -> None:
    found = {strategy: make(CONFIG, job(strategy)).curve for strategy in (ASYNC, FEDBUFF, FEDASYNC)}
    found[SYNC] = make(CONFIG, job(SYNC, cohort=8)).curve
    assert all(curve.updates[-1] == 32 for curve in found.values())
    assert [len(found[s].seconds) - 1 for s in (SYNC, ASYNC, FEDBUFF, FEDASYNC)] == [4, 8, 8, 32]
    assert found[ASYNC].seconds[-1] < found[SYNC].seconds[-1]
    assert max(found[SYNC].staleness) == 0 < max(found[ASYNC].staleness) < max(found[FEDASYNC].staleness)
    assert found[FEDBUFF].seconds == found[ASYNC].seconds, "weights change no clock"
    assert found[FEDBUFF].loss != found[ASYNC].loss
    assert all(curve.loss[-1] < curve.loss[0] for curve in found.values())
    again = make(CONFIG, job(ASYNC))
    assert again.curve == found[ASYNC], "a rerun is the same run"


def test_slower_settings_take_longer_and_leave_a_synchronous_run_what_it_learns() -> None:
    base = make(CONFIG, job(SYNC, cohort=8)).curve
    slow = make(CONFIG, job(SYNC, cohort=8, changes=(("compute_mean", 2.0),))).curve
    assert slow.loss == base.loss
    assert np.diff(slow.seconds) == pytest.approx(np.diff(base.seconds) + CONFIG.task.compute_mean)
    assert changed(CONFIG, (("values", 0.5),)).wire.values == 20_950_000


# ---------------------------------------------------------------------- curves


def curve(*losses: float, step: int = 10) -> Curve:
    out = Curve()
    for i, loss in enumerate(losses):
        out.add(100.0 * i, step * i, 7.0 * i, loss, 2 * loss, 0.0)
    return out


def test_time_to_target_is_interpolated_between_two_versions() -> None:
    assert curve(1.0, 0.8, 0.4, 0.2).reach(0.5, 0) == pytest.approx((175.0, 17.5, 12.25))
    assert curve(1.0, 0.5).reach(0.5, 0)[0] == 100.0
    assert curve(1.0, 0.8).reach(0.5, 0) == (float("inf"),) * 3
    assert curve(0.4, 0.3).reach(0.5, 0)[0] == 0.0


def test_a_lucky_version_is_not_the_target() -> None:
    lucky = curve(1.0, 0.4, 0.9, 0.8, 0.5, 0.3, 0.3)
    assert lucky.reach(0.5, 20)[0] == 400.0
    assert lucky.reach(0.5, 0)[0] == pytest.approx(100 * 5 / 6)
    assert lucky.settled(0.5, 20) and not curve(1.0, 0.4).settled(0.5, 20)


def test_the_end_of_a_run_is_a_mean_over_its_last_updates() -> None:
    assert curve(1.0, 0.8, 0.4, 0.2).last(20) == pytest.approx((0.3, 0.6))
    assert curve(1.0, 0.8, 0.4, 0.2).index_at(250.0) == 2


# ---------------------------------------------------------------------- hospitals


def test_skews_change_what_they_are_named_after() -> None:
    even = hospitals(CONFIG, 20, 10, "equal", 3)
    assert even.left(even.best()) == 0 and even.left(even.loss(np.zeros(32))[0]) == 1
    assert even.target(0.05) == pytest.approx(even.best() + 0.05 * (even.loss(np.zeros(32))[0] - even.best()))
    size = hospitals(CONFIG, 20, 10, "equal", 3, "size")
    assert size.examples.max() / size.examples.min() == pytest.approx(100, rel=0.05)
    noisy = hospitals(CONFIG, 20, 10, "equal", 3, "noisy")
    assert noisy.noise[0] == 20 * noisy.noise[1] and len(noisy.losses(np.zeros(32))) == 19
    slow = hospitals(CONFIG, 20, 10, "equal", 3, "bandwidth-label")
    moved = np.abs(slow.targets - even.targets).max(axis=1) > 0
    assert moved.sum() == 4 and slow.mbit[moved].max() < slow.mbit[~moved].min()
    assert (np.abs(hospitals(CONFIG, 20, 10, "equal", 3, "label").targets - even.targets).max(axis=1) > 0).sum() == 4


# ---------------------------------------------------------------------- rates and ratios


def test_the_best_rate_is_the_soonest_and_without_any_the_lowest() -> None:
    def run(found: dict[float, Curve]) -> float:
        return best_rate(
            lambda rate, seed, until: job(ASYNC, rate=rate, seed=seed, until=until),
            lambda job: Outcome(job, found[job.rate], 0.5, 0.0, 1.0, 0),
            tuple(found),
            (101,),
        )[0]

    assert run({0.4: curve(1.0, 0.6, 0.4), 0.8: curve(1.0, 0.4), 1.6: curve(1.0, 0.9)}) == 0.8
    alike = curve(1.0, 0.494)  # 0.5 is reached 1 % later than with 0.489
    assert run({0.4: alike, 0.8: curve(1.0, 0.489), 1.6: curve(1.0, 0.9)}) == 0.4
    assert run({0.4: curve(1.0, 0.8), 0.8: curve(1.0, 0.7), 1.6: curve(1.0, 1.9)}) == 0.8


def outcome(strategy: str, seed: int, *losses: float) -> Outcome:
    h = CONFIG.headline
    what = Job("speed", strategy, h.nodes, h.spread, h.compute, seed, 1.1, 20)
    return Outcome(what, curve(*losses), 0.5, 0.0, 1.0, 0)


def test_ratios_are_medians_of_pairs_and_a_miss_is_said() -> None:
    pairs = [(0.0, 0.75), (0.0, 0.75), (0.25, 0.75)]
    found = {
        "speed": [outcome(ASYNC, seed, 1.0, low) for seed, (low, _) in enumerate(pairs)]
        + [outcome(SYNC, seed, 1.0, high, 0.25) for seed, (_, high) in enumerate(pairs)]
    }
    row = ratios(CONFIG, found)["sync_to_async_time_spread_10"]
    assert row["median"] == pytest.approx(3.0) and row["least"] == pytest.approx(2.25) and row["seeds"] == 3
    assert figures(CONFIG, found)["requirements"][0]["met"] is False
    never = {"speed": [outcome(ASYNC, 1, 1.0, 0.9), outcome(SYNC, 1, 1.0, 0.4)]}
    assert ratios(CONFIG, never)["sync_to_async_time_spread_10"]["median"] == 0.0


# ---------------------------------------------------------------------- the command


def small(tmp_path: Path) -> Path:
    return settings(
        tmp_path,
        ("nodes = 100", "nodes = 8"),
        (r"nodes = \[100", "nodes = [8]"),
        ("updates = 1500", "updates = 48"),
        ("hold_updates", "hold_updates = 8"),
        ("target_share ", "target_share = 0.5"),
        ("buffer = 10", "buffer = 4"),
        (r"spreads", "spreads = [1, 10]"),
    )


def test_the_command_writes_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = small(tmp_path)
    rates = tmp_path / "rates.toml"
    rates.write_text("[rates]\nasync-hybrid-8 = 0.8\nfedavg-8 = 2.2\n")
    file, folder = tmp_path / "figures.json", tmp_path / "drawings"
    options = ["--quick", "--config", str(config), "--rates", str(rates), "--json", str(file)]
    options += ["--work", str(tmp_path / "work")]
    asynchrony.main([*options, "--out", str(folder)])
    found = json.loads(file.read_text())
    assert set(found["ratios"]) == {f"sync_to_async_{w}_spread_{s}" for w in ("time", "bytes") for s in (1, 10)}
    assert found["ratios"]["sync_to_async_time_spread_10"] > 0
    assert [row["what"] for row in found["requirements"]] == ["sync_to_async_time_spread_10"]
    assert {(row["strategy"], row["spread"]) for row in found["speed"]} == {
        (s, x) for s in (ASYNC, SYNC) for x in (1, 10)
    }
    assert found["config"]["toy"]["updates"] == 48 and found["quick"] is True
    out = capsys.readouterr().out
    assert "required >= 3.3" in out and "full run only" in out
    assert {path.name for path in folder.iterdir()} == {"asynchrony.png", "asynchrony-loss.png"}
    # all that was kept is there the next time; what is missing is made again
    kept = sorted((tmp_path / "work").iterdir())
    assert len(kept) == 4
    for path in kept[1:]:
        outcome = json.loads(path.read_text())
        outcome["curve"]["seconds"] = [2 * seconds for seconds in outcome["curve"]["seconds"]]
        path.write_text(json.dumps(outcome))
    kept[0].unlink()
    asynchrony.main([*options, "--kept-only"])
    assert sorted((tmp_path / "work").iterdir()) == kept[1:], "no new run"
    assert sum(row["seeds"] for row in json.loads(file.read_text())["speed"]) == 3
    asynchrony.main(options)
    assert sorted((tmp_path / "work").iterdir()) == kept
    assert json.loads(file.read_text())["ratios"] != found["ratios"]


def test_only_a_folder_with_runs_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        asynchrony.main(["--kept-only"])
    assert "--kept-only shows the runs in the folder that --work names: name one" in capsys.readouterr().err


def test_cells_that_are_not_won_are_named() -> None:
    found = figures(CONFIG, {"speed": [outcome(ASYNC, 1, 1.0, 0.4), outcome(SYNC, 1, 1.0, 0.41)]
                             + [outcome(rival, 1, 1.0, 0.39) for rival in (FEDBUFF, FEDASYNC)]})  # fmt: skip
    lines = list(verdicts(found))
    assert not any(line.startswith("sync takes") for line in lines)
    assert "fedbuff takes less than 1.05 times AsyncHybrid's time: spread 10 0.98" in lines
    assert any(line.startswith("fedasync takes") for line in lines)


def test_single_rates_can_be_searched_again(tmp_path: Path) -> None:
    path = tmp_path / "rates.toml"
    path.write_text("# by hand\n[rates]\nfedavg-100 = 2.2  # as it was\nfedbuff-100 = 0.1\n")
    config = read_config(small(tmp_path))
    config = replace(config, rates=replace(config.rates, grid=(1.1, 2.2)))
    tune(Kept(config, None), path, (8,), tiny=False, only=["fedbuff-8-10x"])
    found = read_rates(CONFIG, path)
    assert found.pop("fedbuff-8-10x") in (1.1, 2.2) and found == {"fedavg-100": 2.2, "fedbuff-100": 0.1}
    assert "fedavg-100 = 2.2  # as it was" in path.read_text()
