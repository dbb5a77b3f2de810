"""When to stop, and when to roll back."""

from crossward.config.strategy_settings import StrategySettings
from strategies.stopping.convergence import Convergence


def test_a_target_loss_is_reached_at_or_below_it() -> None:
    c = Convergence(StrategySettings(target_loss=1.0))
    assert c.observe(1, 1.01) == ""
    assert c.observe(2, 1.0) == "target loss 1.0 reached: 1.0000 at version 2"


def test_patience_counts_losses_without_enough_improvement() -> None:
    c = Convergence(StrategySettings(patience=2, min_delta=0.1))
    assert [c.observe(v, loss) for v, loss in enumerate([2.0, 1.5, 1.45], 1)] == ["", "", ""]
    assert c.observe(4, 1.3) == ""  # better by more than 0.1: the count begins again
    assert c.observe(5, 1.25) == ""
    assert c.observe(6, 1.21) == "no improvement over 1.3000 (version 4) in 2 losses"


def test_without_patience_or_target_nothing_stops() -> None:
    c = Convergence(StrategySettings())
    assert [c.observe(v, 1.0) for v in range(1, 50)] == [""] * 49


def test_rolling_back_takes_a_best_loss_and_a_jump_beyond_the_ratio() -> None:
    c = Convergence(StrategySettings(rollback_ratio=1.5))
    assert not c.must_roll_back(100.0)
    c.observe(4, 2.0)
    assert not c.must_roll_back(3.0)
    assert c.must_roll_back(3.01)
    assert not Convergence(StrategySettings(rollback_ratio=0.0)).must_roll_back(1e9)
