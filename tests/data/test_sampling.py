"""The sampler is the one that is accounted for: independent draws at the stated rate, and nothing joins patients."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from data import DataError, PoissonSampler, TokenDataset, count_units
from data.tokens import Frame

NONE = np.array([], dtype=np.int32)


def notes(lengths: list[int], patients: list[int], packing: bool = False, max_tokens: int = 8) -> TokenDataset:
    """Notes whose tokens are 1000 times their number (from 1) and up."""
    ids = np.concatenate([1000 * (i + 1) + np.arange(n, dtype=np.int32) for i, n in enumerate(lengths)])
    return TokenDataset(
        ids=ids.astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        patients=np.array(patients, dtype=np.int64),
        answers=np.full(len(lengths), -1, dtype=np.int64),
        note_ids=tuple(f"n{i}" for i in range(len(lengths))),
        patient_ids=tuple(f"p{i}" for i in sorted(set(patients))),
        labels=(),
        frame=Frame(np.array([7], dtype=np.int32), NONE, NONE, NONE, (), 0),
        max_tokens=max_tokens,
        packing=packing,
    )


def test_every_unit_enters_independently_with_the_accounted_probability() -> None:
    units, steps, batch = 40, 4000, 6
    sampler = PoissonSampler(notes([3] * units, list(range(units))), True, batch)
    assert sampler.rate == batch / units
    generator = np.random.default_rng(11)
    entered = np.zeros((steps, units), dtype=bool)
    for step in range(steps):
        for rows in sampler.draw(generator):
            entered[step, rows] = True  # a note of one window each
    sizes = entered.sum(axis=1)
    counts = entered.sum(axis=0)
    q = sampler.rate
    # frequencies: chi-square over the units at the stated rate
    chi = float((((counts - steps * q) ** 2) / (steps * q * (1 - q))).sum())
    assert 0.001 < stats.chi2.sf(chi, units) < 0.999
    # independence: the sizes are binomial, not fixed, and no pair goes together or apart more than chance
    assert (
        stats.chisquare(
            [(sizes == k).sum() for k in range(2, 13)] + [((sizes < 2) | (sizes > 12)).sum()],
            [steps * stats.binom.pmf(k, units, q) for k in range(2, 13)]
            + [steps * (1 - sum(stats.binom.pmf(k, units, q) for k in range(2, 13)))],
        ).pvalue
        > 0.001
    )
    correlation = np.corrcoef(entered.T)[np.triu_indices(units, 1)] * np.sqrt(steps)
    assert np.abs(correlation).max() < 5 and correlation.std() == pytest.approx(1.0, abs=0.1)
    # one step tells nothing of the next
    assert abs(np.corrcoef(sizes[:-1], sizes[1:])[0, 1]) * np.sqrt(steps) < 4


def test_steps_without_anybody_happen_and_are_empty() -> None:
    sampler = PoissonSampler(notes([3] * 50, list(range(50))), True, 1)
    generator = np.random.default_rng(2)
    empty = sum(not sampler.draw(generator) for _ in range(1000))
    assert empty == pytest.approx(1000 * (1 - 1 / 50) ** 50, abs=50)


def test_at_a_rate_of_one_everybody_is_in_every_step() -> None:
    sampler = PoissonSampler(notes([3] * 5, [0, 0, 1, 1, 1]), True, 2, 9)
    assert sampler.rate == 1.0
    drawn = sampler.draw(np.random.default_rng(1))
    assert [sorted(rows.tolist()) for rows in drawn] == [[0, 1], [2, 3, 4]]


@pytest.mark.parametrize("packing", [True, False])
def test_sequences_hold_tokens_of_one_note_each_also_where_training_would_pack(packing: bool) -> None:
    tokens = notes([20, 3, 9, 1], [0, 1, 0, 1], packing)
    sampler = PoissonSampler(tokens, True, 2, 50)
    made = sampler.batch(np.concatenate(sampler.draw(np.random.default_rng(1))).tolist())
    seen = []
    for ids, mask in zip(made["input_ids"], made["attention_mask"], strict=True):
        real = ids[mask.bool()].tolist()
        assert real[0] == 7 and len({token // 1000 for token in real[1:]}) == 1 and len(real) <= 8
        seen += real[1:]
    assert sorted(seen) == sorted(tokens.ids.tolist())  # nothing is lost, nothing comes twice


def test_a_patient_enters_with_at_most_so_many_sequences_drawn_anew_each_time() -> None:
    sampler = PoissonSampler(notes([21, 3, 7], [0, 1, 0]), True, 2, 2)
    generator = np.random.default_rng(3)
    counts = np.zeros(5, dtype=int)
    for _ in range(600):
        first, second = sampler.draw(generator)
        assert len(set(first.tolist())) == 2 and second.tolist() == [3]
        counts[first] += 1
    assert counts[3] == 0 and stats.chisquare(counts[[0, 1, 2, 4]]).pvalue > 0.001


def test_an_example_is_a_note_that_enters_with_one_of_its_windows() -> None:
    sampler = PoissonSampler(notes([21, 3], [0, 0]), False, 2, 4)
    generator = np.random.default_rng(3)
    counts = np.zeros(4, dtype=int)
    for _ in range(600):
        first, second = sampler.draw(generator)
        assert len(first) == 1 and second.tolist() == [3]
        counts[first] += 1
    assert stats.chisquare(counts[:3]).pvalue > 0.001


def test_the_label_tasks_sequence_is_a_whole_note_with_its_answer() -> None:
    tokens = notes([4, 5, 3], [0, 0, 1], max_tokens=40)
    answers = (np.array([501], dtype=np.int32), np.array([502], dtype=np.int32))
    frame = dataclasses.replace(tokens.frame, answers=answers, question=np.array([9], dtype=np.int32))
    tokens = dataclasses.replace(tokens, frame=frame, answers=np.array([0, 1, 1]), labels=("a", "b"))
    made = PoissonSampler(tokens, True, 2, 4).batch([0, 2])
    assert made["input_ids"].tolist() == [[7, 1000, 1001, 1002, 1003, 9, 501], [7, 3000, 3001, 3002, 9, 502, 0]]
    assert [row[row >= 0].tolist() for row in made["labels"]] == [[501], [502]]


@pytest.mark.parametrize(("by_patient", "message"), [(True, "2 patients"), (False, r"3 notes \(examples\)")])
def test_a_batch_that_the_hospital_cannot_fill_is_refused_with_both_numbers(by_patient: bool, message: str) -> None:
    tokens = notes([3, 3, 3], [0, 0, 1])
    assert count_units(tokens, by_patient) == int(message[0])
    with pytest.raises(DataError, match=rf"privacy\.batch = 4.*{message}"):
        PoissonSampler(tokens, by_patient, 4)
