"""What joining brought, in words: true whatever the figures say."""

from __future__ import annotations

import pytest

from crossward.report.joining.figures import (
    ALIKE,
    ALONE,
    BASE,
    BETTER,
    GLOBAL,
    PERSONAL,
    UNKNOWN,
    WORSE,
    Gap,
    Joining,
    Level,
    Place,
)
from crossward.report.joining.sentence import gap_text, sentence

BELOW, AROUND, ABOVE, SINGLE = Gap(-0.2, -0.3, -0.1), Gap(-0.01, -0.03, 0.01), Gap(0.2, 0.1, 0.3), Gap(-0.2)


def place(perplexities: dict[str, float], **differences: Gap) -> Place:
    adapters = {model: Level(value) for model, value in perplexities.items()}
    return Place(4, adapters, {pair.replace("_", "-"): gap for pair, gap in differences.items()})


ALL_FOUR = {BASE: 32.5, GLOBAL: 5.3, ALONE: 2.33, PERSONAL: 2.28}


def test_a_gap_is_judged_by_its_interval() -> None:
    assert [gap.verdict for gap in (BELOW, AROUND, ABOVE, SINGLE)] == [BETTER, ALIKE, WORSE, UNKNOWN]
    assert Gap(0.0, 0.0, 0.0).verdict == ALIKE  # a personal adapter that is the one trained alone
    assert gap_text(BELOW) == "-0.200 ± 0.100" and gap_text(SINGLE) == "-0.200"
    assert gap_text(Gap(1e-5, -1e-5, 3e-5)) == "+1.0e-05 ± 2.0e-05"


@pytest.mark.parametrize(
    ("gap", "says", "never"),
    [
        (BELOW, "the personal adapter is better than the one trained alone (2.28 against 2.33, -0.200 ±", "worse"),
        (AROUND, "is not shown to differ from the one trained alone (2.28 against 2.33", "better"),
        (ABOVE, "is worse than the one trained alone, which stays the one to use there (2.28 against", "better"),
        (SINGLE, "is not to be told from the one trained alone with so few patients (2.28 against 2.33)", "better"),
    ],
)
def test_at_home(gap: Gap, says: str, never: str) -> None:
    home = place(ALL_FOUR, personal_alone=gap, personal_global=BELOW, global_alone=ABOVE)
    found = sentence(Joining("x", home))
    assert says in found and never not in found and "elsewhere" not in found and found.endswith(".")


def test_a_missing_personal_adapter_is_no_argument_against_joining() -> None:
    three = {model: value for model, value in ALL_FOUR.items() if model != PERSONAL}
    found = sentence(Joining("x", place(three, global_alone=ABOVE)))
    assert "was trained yet (global 5.30, alone 2.33): `crossward personalise` makes it" in found
    assert "worse" not in found
    assert "the global adapter is better than" in sentence(Joining("x", place(three, global_alone=BELOW)))


def test_the_global_adapter_counts_where_the_personal_one_is_worse_than_it() -> None:
    home = place(ALL_FOUR | {GLOBAL: 2.0}, personal_alone=ABOVE, personal_global=ABOVE, global_alone=BELOW)
    assert "the global adapter is better than the one trained alone (2.00 against 2.33" in sentence(Joining("x", home))


def test_nothing_trained_alone() -> None:
    found = sentence(Joining("x", place({BASE: 32.5, GLOBAL: 5.3, PERSONAL: 2.3}, personal_global=BELOW)))
    assert "the personal adapter reaches 2.30, the untuned base 32.50; there is no adapter trained alone" in found


def test_what_was_reported_makes_no_claim() -> None:
    found = sentence(Joining("x", place(ALL_FOUR)))
    assert "reaches 2.28 and the one trained alone 2.33, as it reported" in found
    assert not any(word in found for word in ("better", "worse", "differ"))


@pytest.mark.parametrize(
    ("to_all", "to_personal", "says"),
    [
        (BELOW, BELOW, "elsewhere the global (5.30) and the personal (2.28) adapters are better than"),
        (
            BELOW,
            ABOVE,
            "alone (2.33), the global adapter (5.30) is better and the personal adapter (2.28) is worse",
        ),
        (AROUND, SINGLE, "the global adapter (5.30) is not shown to differ and the personal"),
    ],
)
def test_elsewhere(to_all: Gap, to_personal: Gap, says: str) -> None:
    other = place(ALL_FOUR, global_alone=to_all, personal_alone=to_personal)
    assert says in sentence(Joining("x", place(ALL_FOUR, personal_alone=AROUND), other))


def test_elsewhere_without_an_adapter_trained_alone_is_left_out() -> None:
    assert "elsewhere" not in sentence(Joining("x", place(ALL_FOUR), place({BASE: 3.0, GLOBAL: 2.0})))
