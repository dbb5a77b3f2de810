"""The attacks work on clear updates, and know nothing where there is nothing to know."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from research.attacks.laboratory import Laboratory
from research.attacks.leakage import aggregator_leakage, profiles_of, trials
from research.attacks.margins import RECOVERED
from research.attacks.observers import CLEAR_ALL, SEALED_ALL, Observer, Protection, Seen
from research.attacks.recovery import exact
from research.attacks.shadow import Attack, Reader
from research.attacks.sizes import SHADOW, VICTIM, WORST
from research.attacks.spans import Choices, Chooser, questions
from research.attacks.subspace import check, distances, first_inputs, pursuit, row_space


def test_the_positive_control_recovers_the_tokens(lab: Laboratory) -> None:
    found = exact(lab, dataclasses.replace(WORST, distinct=24), CLEAR_ALL, 4)
    assert found.recall.min() >= RECOVERED and found.precision.min() >= RECOVERED
    assert found.pursued.min() >= RECOVERED
    assert found.guess.mean() < 0.9


def test_above_three_times_the_rank_the_check_fails_and_the_pursuit_does_not(lab: Laboratory) -> None:
    found = exact(lab, dataclasses.replace(WORST, distinct=40), CLEAR_ALL, 3)
    assert found.recall.max() == 0.0
    assert found.pursued.mean() > 0.9 > found.guess.mean()


def test_sealed_updates_give_the_span_attacks_nothing(lab: Laboratory) -> None:
    found = exact(lab, dataclasses.replace(WORST, distinct=24), SEALED_ALL, 4)
    assert found.recall.mean() < 0.05 and found.pursued.mean() < found.guess.mean()


def test_at_the_very_start_the_factor_a_has_no_gradient(lab: Laboratory) -> None:
    fresh = Laboratory(lab.size, lab.seed, lab.rank, warm=False)
    assert exact(fresh, WORST, CLEAR_ALL, 2).recall.max() == 0.0


def test_a_span_holds_what_it_was_made_of(lab: Laboratory) -> None:
    inputs, rng = first_inputs(lab), np.random.default_rng(0)
    truth = rng.choice(np.setdiff1d(np.arange(len(inputs)), lab.public), 20, replace=False)
    space = row_space(rng.normal(size=(24, 20)) @ inputs[truth], 0.0)
    assert len(space) == 20 and distances(space, inputs)[truth].max() < 1e-6
    assert set(truth) <= set(check(space, inputs, lab.public))
    narrow = row_space(rng.normal(size=(12, 20)) @ inputs[truth], 0.0)
    assert len(np.intersect1d(pursuit(narrow, inputs, lab.public, 20), truth)) >= 14
    assert not len(np.intersect1d(check(narrow, inputs, lab.public), truth))


def test_the_learned_attack_reads_clear_single_steps_and_only_these(lab: Laboratory) -> None:
    tried = trials(lab, lab.size.worst, lab.size.worst_shadows, lab.size.worst_victims)
    clear, sealed = tried.tokens(CLEAR_ALL), tried.tokens(SEALED_ALL)
    assert clear.values.mean() > 0.9 and clear.gain > 0.1
    np.testing.assert_array_equal(clear.guesses, sealed.guesses)
    assert sealed.made is None or sealed.gain == 0.0
    assert sealed.tested.mean() < 0.15 < clear.gain + 0.05  # made to read ciphertexts it finds nothing, too


def test_random_updates_score_like_the_guess(lab: Laboratory) -> None:
    """The guess is honest: what the attack has without a real update is what the guess has."""
    setting, rng = lab.size.worst, np.random.default_rng(5)
    reader, everything = Reader(lab, setting, profiles_of(lab)), np.ones(lab.layout.total, np.bool_)

    def made_up(role: str, count: int) -> list:
        samples = [update.sample for update in lab.updates(role, setting, count)]
        noise = [rng.normal(size=lab.layout.total).astype(np.float32) for _ in samples]
        return reader.cases([Seen(v, everything, (), 0, 0.0) for v in noise], [[s] for s in samples])

    shadows, victims = made_up(SHADOW, 9), made_up(VICTIM, 6)
    columns = reader.columns(np.ones(len(lab.layout.blocks), np.bool_))
    attack, guess = Attack(shadows, columns, lab.public), Attack(shadows, None, lab.public)
    gain = np.mean([attack.recovered(c) - guess.recovered(c) for c in victims])
    assert abs(gain) < 0.1
    assert 0.2 < np.mean([guess.recovered(c) for c in victims]) < 0.95


def test_the_guess_does_not_change_with_the_protection(lab: Laboratory) -> None:
    noisy = Protection("drowned", noise=lambda delta, rng: rng.normal(0, 100, delta.shape).astype(np.float32))
    tried = trials(lab, lab.size.worst, lab.size.worst_shadows, lab.size.worst_victims)
    drowned = tried.tokens(noisy)
    np.testing.assert_array_equal(drowned.guesses, tried.tokens(CLEAR_ALL).guesses)
    assert drowned.gain < 0.1


def test_a_chooser_learns_what_to_trust() -> None:
    rng = np.random.default_rng(0)

    def drawn(count: int, strength: float) -> list[Choices]:
        out = []
        for _ in range(count):
            fall = rng.normal(size=(6, 4))
            fall[:, 0] += strength
            out.append(Choices((0, 1, 2) * 2, rng.normal(size=(6, 4)), fall))
        return out

    strong, none = Chooser(drawn(40, 3.0)), Chooser(drawn(40, 0.0))
    assert np.mean([strong.right(c).mean() for c in drawn(40, 3.0)]) > 0.9
    assert 0.1 < np.mean([none.right(c).mean() for c in drawn(80, 0.0)]) < 0.4
    level = Choices((0,), np.zeros((1, 4)), np.zeros((1, 4)))
    assert strong.right(level)[0] == 0.25  # nothing to choose by is chance


def test_questions_hold_the_truth_first_and_decoys_of_its_form(lab: Laboratory) -> None:
    sample = lab.samples(VICTIM, lab.size.real, 1)[0]
    asked = questions(lab, sample)
    assert asked
    text = lab.tokenizer.decode(sample.notes.ids)
    for question in asked:
        heads = [
            lab.tokenizer.decode(ids[given:]) for ids, given in zip(question.sequences, question.given, strict=True)
        ]
        assert heads[0].strip() in text and len(set(heads)) == lab.size.choices


def test_leakage_is_a_share_and_nothing_when_sealed(lab: Laboratory) -> None:
    clear, sealed = aggregator_leakage(lab, CLEAR_ALL), aggregator_leakage(lab, SEALED_ALL)
    for found in (clear, sealed):
        assert 0.0 <= found.low <= found.value <= found.high <= 1.0 and found.guess == 0.0
        assert found.samples == lab.size.victims and "identifier choice" in found.note
    assert sealed.value < clear.value or clear.value == 0.0


def test_ranks_of_noise_are_not_taken_for_a_span() -> None:
    rng = np.random.default_rng(1)
    assert len(row_space(rng.uniform(-0.5, 0.5, (24, 128)), 1.0)) == 0
    assert len(row_space(np.zeros((24, 128)), 0.0)) == 0


def test_observers_see_the_same_update_again(lab: Laboratory) -> None:
    delta = lab.updates(VICTIM, lab.size.worst, 1)[0].delta
    first, again = (Observer(lab, lab.size.worst, CLEAR_ALL).see(delta) for _ in range(2))
    np.testing.assert_array_equal(first.values, again.values)
    with pytest.raises(ValueError, match="raise the laboratory's number of patients"):
        lab.samples(VICTIM, lab.size.worst, 10_000)
