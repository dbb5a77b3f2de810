"""Strategy settings that cannot work together are refused by their keys."""

from typing import Any

import pytest

from crossward.config.settings import SettingsError, read_settings
from crossward.config.strategy_settings import StrategySettings


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"strategy.buffer-size": 0}, "strategy.buffer-size = 0 is for fedavg"),
        ({"strategy.buffer-size": 2}, "buffer-size = 2 is smaller than strategy.min-contributors = 3"),
        ({"strategy.rollback-ratio": 0.9}, "rollback-ratio = 0.9: expected 0"),
        ({"strategy.name": "gossip"}, "strategy.name = 'gossip' is not one of 'async-hybrid', 'fedavg'"),
        ({"strategy.weighting": "fair"}, "strategy.weighting"),
        ({"strategy.max-share": 0.0}, "strategy.max-share = 0.0 is not a number above 0.0"),
        ({"strategy.max-staleness": -2}, "strategy.max-staleness"),
        ({"strategy.buffer-size": True}, "strategy.buffer-size = True is not an integer"),
        ({"strategy.exponents": "1,2"}, "strategy.exponents = '1,2': expected three numbers"),
        ({"strategy.exponents": "1,-2,0"}, "strategy.exponents"),
    ],
)
def test_a_wrong_setting_is_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        read_settings(StrategySettings, values)


def test_fedavg_may_take_all_nodes() -> None:
    got = read_settings(StrategySettings, {"strategy.name": "fedavg", "strategy.buffer-size": 0})
    assert got.buffer_size == 0


def test_w_is_fine_enough_for_what_lags_behind_as_usual() -> None:
    many = {"buffer_size": 10, "exponents": "0.5,1,1"}
    assert StrategySettings(**many).fine_weight(100) == 10 * 11
    assert StrategySettings(**many, concurrency=100).fine_weight(1000) == 10 * 11
    assert StrategySettings(name="fedbuff", buffer_size=10).fine_weight(150) == 10 * 4
    assert StrategySettings(name="fedavg", buffer_size=0).fine_weight(100) == 100
