"""Attacks on vertical runs succeed on what is clear and fail on what is masked; their controls are checked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from client_app.vertical.learning.exchange import ROW
from research.attacks.controls import broken
from research.attacks.scores import AGGREGATOR, KEY_HOLDER, PARTY, Score
from research.attacks.suite import SCENARIOS, AttackError, attack, chosen
from research.attacks.vertical import intersection, inversion, labels, views
from research.attacks.vertical.consortium import HEART, LABORATORY, WARD, Consortium, VerticalSize
from research.attacks.vertical.scoring import control, ranked, share

SMALL = VerticalSize(patients=240, features=6, dim=8, exchanges=1, epochs=3, epsilons=(1.0,), set_size=6, targets=6)


@pytest.fixture(scope="module")
def lab() -> Consortium:
    """Notes are not read by a language model: the embedding is a fixed projection of their words and name."""
    made = Consortium(SMALL, 1)
    rng = np.random.default_rng(0)
    facts = np.concatenate([made.words, np.eye(16)[made.name]], axis=1)

    def projected(dim: int) -> np.ndarray:
        found = (facts - facts.mean(axis=0)) @ rng.normal(size=(facts.shape[1], dim))
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)

    laboratory = made.bottom(LABORATORY)
    made.__dict__["bottoms"] = {LABORATORY: laboratory, HEART: made.bottom(HEART)}
    made.__dict__["embeddings"] = {LABORATORY: laboratory.embed(np.arange(240)), WARD: projected(SMALL.dim)}
    made.__dict__["wide_embeddings"] = projected(facts.shape[1])
    return made


def test_inversion_finds_all_in_clear_embeddings_and_nothing_in_masked_and_sealed_ones(lab: Consortium) -> None:
    clear, *_, masked, sealed = views.guises(lab)
    assert (masked.view, sealed.view) == (KEY_HOLDER, AGGREGATOR)
    assert inversion.features(lab, clear).low > 0.7
    seen = clear.see(lab.wide_embeddings)
    assert inversion.words(lab, clear, seen).low > 0.2 and inversion.names(lab, clear, seen).low > 0.4
    for hidden in (masked, sealed):
        assert hidden.hidden
        found = inversion.features(lab, hidden)
        assert abs(found.gain) < 0.05
        seen = hidden.see(lab.embeddings[WARD])
        assert abs(inversion.words(lab, hidden, seen).gain) < 0.06
        assert abs(inversion.names(lab, hidden, seen).gain) < 0.12  # of 120 victims, 4 standard errors


def test_more_columns_of_an_encrypted_forward_show_more(lab: Consortium) -> None:
    by_method = {guise.method: guise for guise in views.guises(lab)}
    half, two, clear = (
        inversion.features(lab, by_method[m]).value
        for m in ("encrypted forward, 4 of 8 columns", "encrypted forward, 2 of 8 columns", "clear")
    )
    assert two < half < clear
    assert inversion.features(lab, by_method["noised, epsilon 1, one-shot"]).value < 0.1


def test_directions_of_what_is_returned_tell_labels_and_masked_numbers_do_not(lab: Consortium) -> None:
    made = lab.run(ROW)
    direction = labels.direction_score(lab, "", made.returned[1])
    assert direction.value > 0.95 and direction.low > 0.0
    assert labels.norm_score(lab, "", made).value == 0.5
    one_shot, masked = labels.nothing_returned(lab)
    assert one_shot.gain == 0.0 and abs(masked.gain) < 0.25
    swapped = lab.run(ROW, labels=lab.rng("swapped").permutation(lab.labels))  # what returns tells the labels it is of
    assert labels.direction_score(lab, "", swapped.returned[1]).value < 0.8


def test_an_alignment_says_who_is_a_patient_and_a_number_alone_does_not(lab: Consortium) -> None:
    aligned, decoys, number, singles = intersection.run(lab, lambda text: None)
    assert (aligned.value, number.value, singles.value) == (1.0, 0.5, 1.0) and aligned.view == PARTY
    assert 0.5 < decoys.value < 0.9
    assert not broken([aligned])


def test_controls_that_are_not_reached_are_named() -> None:
    ones, zeros = np.array([0.5, 0.6, 0.4]), np.zeros(3)
    low = share("inversion", PARTY, "clear", "words", ones, zeros, 0.05, control(0.9))
    assert broken([low]) == {"inversion, words, clear": "0.500 was reached; at least 0.9 is expected"}
    high = ranked(
        "labels", PARTY, "clear", "AUC", np.arange(6.0), np.array([0.0, 0, 0, 1, 1, 1]), np.zeros(6), control(0.9)
    )
    assert not broken([high]) and high.gain == 0.5 and high.equivalent is False


def test_the_command_finds_vertical_attacks_and_refuses_others(monkeypatch: pytest.MonkeyPatch) -> None:
    vertical = SCENARIOS["vertical"]
    assert [name for name, run in chosen("", vertical.attacks) if callable(run)] == list(vertical.attacks)
    with pytest.raises(AttackError, match="expected some of inversion, labels, intersection"):
        chosen("sums", vertical.attacks)
    with pytest.raises(AttackError, match="--scenario: there is none 'x'; expected one of horizontal, vertical"):
        attack(scenario="x")
    found: list[int] = []

    def kept(lab: Consortium, say: Callable[[str], None]) -> list[Score]:
        found.append(lab.size.patients)
        return [share("membership", PARTY, "none", "AUC", np.array([0.5, 0.6]), np.zeros(2), 0.05)]

    monkeypatch.setattr(intersection, "run", kept)
    assert attack("intersection", scenario="vertical", size=SMALL) == 0 and found == [240]
