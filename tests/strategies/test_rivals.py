"""FedBuff and FedAsync by name: their articles' rules, and what FedAsync is refused with."""

from __future__ import annotations

from typing import Any

import pytest

from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.settings import SettingsError, read_settings
from crossward.config.strategy_settings import StrategySettings
from crossward.config.weight_rules import ABSOLUTE, FADING, RULES, WeightRule
from crossward.encryption.plan import PRESETS
from crossward.simulation.strategy import Simulated, simulate
from crossward.simulation.toy import ToyLearner
from crossward.simulation.virtual_grid import Speed
from strategies.fedasync import FedAsync
from strategies.history.journal import MemoryJournal
from strategies.opening.committee import Committee

ALONE: dict[str, Any] = {"buffer_size": 1, "min_contributors": 1, "max_share": 1.0}


def run(name: str, **given: Any) -> Simulated:
    schedule = Schedule(versions=8, local_steps=5, peak=0.05, kind="constant")
    learners = [ToyLearner(number, schedule, examples=16 * 2**number) for number in range(4)]
    settings = StrategySettings(name=name, evaluate_every=0, **given)
    speeds = [Speed(1e15, 0.0, seconds, 0.0) for seconds in (1.0, 2.1, 3.3, 9.7)]
    return simulate(learners, settings, schedule, speeds, plan=PRESETS["precise"])


@pytest.mark.parametrize("name", RULES)
def test_a_strategy_brings_its_rule_and_settings_replace_parts_of_it(name: str) -> None:
    values: dict[str, Any] = {"strategy.name": name, "strategy.buffer-size": 3}
    if name == "fedasync":
        values |= {"strategy.buffer-size": 1, "strategy.min-contributors": 1}
    assert read_settings(StrategySettings, values).rule == RULES[name]
    values |= {"strategy.weighting": "corrected", "strategy.exponents": "0,2,3"}
    expected = WeightRule("corrected", RULES[name].damping, 0.0, 2.0, 3.0, RULES[name].loss_limit)
    assert read_settings(StrategySettings, values).rule == expected


def test_the_articles_rules() -> None:
    assert RULES["fedbuff"] == RULES["fedasync"] == WeightRule("examples", ABSOLUTE, staleness_exponent=0.5)
    assert RULES["async-hybrid"].damping == FADING


def test_fedbuff_scales_each_update_by_its_size_and_its_own_staleness() -> None:
    made = run("fedbuff", buffer_size=3, max_share=1.0).versions
    assert any(any(version.staleness) for version in made)
    for version in made:
        sizes = [16 * 2 ** int(site.removeprefix("toy-")) for site in version.sites]
        want = [size / sum(sizes) * (1 + s) ** -0.5 for size, s in zip(sizes, version.staleness, strict=True)]
        assert [w / 1024 for w in version.weights] == pytest.approx(want, abs=2 / 1024)


def test_fedasync_makes_a_version_of_each_update_damped_by_its_staleness() -> None:
    made = run("fedasync", **ALONE).versions
    assert len(made) == 8 and all(len(version.weights) == 1 for version in made)
    assert {version.staleness[0] for version in made} >= {0, 1}
    for version in made:
        assert version.weights[0] == round(1024 * (1 + version.staleness[0]) ** -0.5)


@pytest.mark.parametrize("given", [{}, {"strategy.buffer-size": 1}, {"strategy.min-contributors": 1}])
def test_fedasync_wants_it_said_that_updates_can_be_read(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"'fedasync' makes a version of each update.*min-contributors = 1|smaller"):
        read_settings(StrategySettings, {"strategy.name": "fedasync"} | given)


def test_fedasync_has_no_committee() -> None:
    settings = StrategySettings(name="fedasync", **ALONE)
    assert EncryptionSettings().has_committee  # the default scheme: it must be said which other
    with pytest.raises(ValueError, match=r"a committee opens none of fewer than 3: set encryption.scheme = 'bfv'"):
        FedAsync(settings, PRESETS["compact"], Schedule(), MemoryJournal(), committee=Committee("line", 16))
