"""What weightings need is what nodes report: nothing is withheld that a run's weights are made of."""

from __future__ import annotations

import contextlib
from dataclasses import fields

import numpy as np
import pytest

from client_app.training.trained import Trained, coarse, uncounted, unreported
from crossward.config.privacy_settings import NO_UNIT, UNITS
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.config.weightings import EXAMPLES, WEIGHTINGS, WITHHELD, Facts, missing
from crossward.encryption.plan import PRESETS
from strategies.aggregation.weighting import Contribution
from strategies.async_hybrid import AsyncHybrid
from strategies.history.journal import MemoryJournal

GIVEN = {"loss_sum": 12.0, "num_tokens": 8, "num_examples": 4, "bandwidth": 100.0}


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_weighting_needs_facts_of_an_update_and_all_that_it_names(name: str) -> None:
    weighting = WEIGHTINGS[name]
    assert weighting.needs <= {f.name for f in fields(Contribution)}
    given = {fact: GIVEN[fact] for fact in weighting.needs}
    settings = StrategySettings()
    assert weighting.weight(Facts(given), settings) > 0
    for fact in weighting.needs:
        with pytest.raises(LookupError, match=fact):
            weighting.weight(Facts({n: v for n, v in given.items() if n != fact}), settings)


def test_a_hospitals_unit_withholds_what_it_is_said_to() -> None:
    trained = Trained(np.zeros(1, np.float32), 40, 80, 120.0, 3)
    reported = unreported(trained, Schedule())
    changed = {
        name for name in ("loss_sum", "num_tokens", "num_examples") if getattr(reported, name) != getattr(trained, name)
    }
    assert changed == WITHHELD["hospital"]
    assert {n for n in changed if getattr(coarse(uncounted(trained), 1.0), n) != getattr(trained, n)} == {EXAMPLES}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", WEIGHTINGS)
def test_no_strategy_starts_with_a_weighting_whose_facts_the_unit_withholds(name: str, unit: str) -> None:
    lacking = missing(name, unit)
    assert not lacking or unit != NO_UNIT
    refused = pytest.raises(ValueError, match=f"{name}' is made of .*{min(lacking, default='')}.*{unit}")
    with refused if lacking else contextlib.nullcontext():
        settings = StrategySettings(weighting=name)
        AsyncHybrid(settings, PRESETS["compact"], Schedule(), MemoryJournal(), privacy_unit=unit)
