"""Few exchanges beside split learning: what is counted, and how it is summed up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.split_learning.__main__ import requirements, summary
from benchmarks.split_learning.parties import Consortium, Sizes
from benchmarks.split_learning.ways import central, few_shot, split_learning, to_reach
from client_app.vertical.learning.exchange import ExchangeSettings
from client_app.vertical.learning.fitting import FitSettings
from client_app.vertical.learning.splits import split
from client_app.vertical.learning.top import TopSettings
from data.party import PartyData
from tests.client_app.vertical.learning.parties import PATIENTS, QUICK, tables

EPOCHS, BATCH = 2, 32
OTHERS = 1


@pytest.fixture(scope="module")
def small() -> Consortium:
    first, second, outcome = tables()
    names = tuple(f"p{number}" for number in range(PATIENTS))
    rows = np.arange(PATIENTS)
    data = (
        PartyData(names, first.values, first.names, None, outcome.astype(np.uint8)),
        PartyData(names[::-1], second.values[::-1].copy(), second.names),
    )
    top = TopSettings(hidden=8, fit=FitSettings(epochs=EPOCHS, batch=BATCH))
    sizes = replace(Sizes(PATIENTS), bottom=QUICK, top=top)
    return Consortium(data, (rows, rows[::-1].copy()), (outcome, outcome[::-1].copy()), split(names, 0), sizes, 0)


def test_split_learning_sends_embeddings_and_gradients_of_every_batch(small: Consortium) -> None:
    whole, epochs = split_learning(small, small.represented(), "split")
    batches = round(len(small.split.train) / BATCH)
    assert whole["epochs"] == EPOCHS and len(epochs) == EPOCHS + 1
    assert whole["messages"] == OTHERS * (EPOCHS * 2 * batches + EPOCHS + 1)
    values = (2 * EPOCHS * len(small.split.train) + (EPOCHS + 1) * len(small.split.validation)) * QUICK.dim
    assert whole["bytes"] == OTHERS * 4 * (values + EPOCHS * len(small.split.train))
    assert to_reach(epochs, 0.0) == epochs[0] and to_reach(epochs, 1.1) is None


def test_few_exchanges_send_a_message_each_way(small: Consortium) -> None:
    rows = few_shot(small, small.represented(), 2, ExchangeSettings())
    assert [row["messages"] for row in rows] == [OTHERS * count for count in (1, 3, 5, 5)]
    assert rows[0]["bytes"] == OTHERS * 4 * PATIENTS * QUICK.dim
    assert rows[-1]["way"] == "few-shot, kept" and rows[-1]["auroc"] in {row["auroc"] for row in rows[:-1]}


def test_features_in_one_place_are_of_the_same_patients(small: Consortium) -> None:
    long = replace(small.sizes, top=TopSettings(hidden=16, fit=FitSettings(epochs=12, learning_rate=1e-2)))
    found = central(replace(small, sizes=long), small.represented())
    assert found["auroc"] > 0.85 and found["patients"] == len(small.split.test)


def test_requirements_compare_means_over_seeds() -> None:
    figures = {"notes alone": 0.7, "vitals alone": 0.6, "labs alone": 0.74, "central": 0.9, "few-shot, kept": 0.9}
    rows = [
        {"way": way, "seed": seed, "auroc": auroc + seed * 0.02, "auprc": 0.5, "messages": 2, "bytes": 8}
        for way, auroc in figures.items()
        for seed in (0, 1)
    ]
    for way, messages in (("one-shot", 2), ("split", 400), ("split, warm", 150)):
        rows.append({"way": way, "seed": 0, "auroc": 0.9, "auprc": 0.5, "messages": messages, "bytes": 8})
    gained, fewer = requirements(rows)
    assert gained["value"] == pytest.approx(1.0) and gained["met"]
    assert fewer["value"] == 75 and not fewer["met"]
    assert summary(rows)[0]["auroc"] == pytest.approx(0.71) and summary(rows)[0]["seeds"] == 2
