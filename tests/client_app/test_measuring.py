"""Held-out measures: the model's own loss, note by note, however the notes were put into batches."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from client_app.losses import token_losses
from client_app.measuring import answer_losses, measure_batches
from client_app.team import Team
from crossward.adapters import BaseModel, ModelConfig, load_base
from crossward.protocol.measures import Measure, measure
from data import DataConfig, TokenDataset, label_batches, test_batches, tokenise, train_batches

NOTES = (
    ("a", "Patient stable overnight, afebrile, lungs clear to auscultation bilaterally."),
    ("a", "Chest pain resolved."),
    ("b", "Admitted with shortness of breath. " * 12),
    ("c", "ok"),
    ("c", "Discharged home in good condition on aspirin 81 mg daily and metoprolol."),
)


@pytest.fixture(scope="module")
def base(own_home: Path) -> BaseModel:
    return load_base(ModelConfig(device="cpu"))


def dataset(labels: tuple[str, ...] = ("",)) -> Dataset:
    rows = [
        {"note_id": str(i), "patient_id": p, "text": t, "category": "", "label": labels[i % len(labels)]}
        for i, (p, t) in enumerate(NOTES)
    ]
    return Dataset.from_list(rows)


@pytest.fixture(scope="module")
def tokens(base: BaseModel) -> TokenDataset:
    return tokenise(dataset(), base.tokenizer, DataConfig(max_tokens=48))


@torch.no_grad()
def sums(model: object, ids: list[int], given: int = 0) -> tuple[int, float, int]:
    """(tokens, loss, right) of one sequence alone, its first ``given`` tokens not predicted."""
    logs = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0].double(), -1)  # type: ignore[operator]
    places = [at for at in range(1, len(ids)) if at >= given]
    loss = -sum(float(logs[at - 1, ids[at]]) for at in places)
    return len(places), loss, sum(int(logs[at - 1].argmax()) == ids[at] for at in places)


def windows(tokens: TokenDataset) -> list[tuple[int, list[int]]]:
    """(note, ids) of each window of each note, the sequence's first token repeated in each."""
    start = tokens.frame.start.tolist()
    step = tokens.max_tokens - len(start)
    out = []
    for note in range(len(tokens)):
        ids = tokens.ids[tokens.offsets[note] : tokens.offsets[note + 1]].tolist()
        out += [(note, start + ids[at : at + step]) for at in range(0, len(ids), step)]
    return out


def test_token_losses_sum_to_the_models_own_loss(base: BaseModel, tokens: TokenDataset) -> None:
    batch = next(train_batches(tokens, 3, np.random.default_rng(0)))
    batch["labels"][0, :7] = -100
    with torch.no_grad():
        losses, predicted, right = token_losses(base.model, batch)
        own = base.model(**batch)
    assert losses.shape == predicted.shape == right.shape == tuple(batch["input_ids"].shape)
    assert float(losses.sum() / predicted.sum()) == pytest.approx(float(own.loss), rel=1e-6)
    assert not losses[~predicted].any() and not right[~predicted].any()
    hits = own.logits[:, :-1].argmax(-1) == batch["labels"][:, 1:]  # the last position predicts nothing
    assert int(right.sum()) == int(hits.sum()) > 0


def test_measures_equal_a_note_by_note_computation(base: BaseModel, tokens: TokenDataset) -> None:
    patients: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    assert len(windows(tokens)) > len(NOTES)  # one note is longer than a window
    for note, ids in windows(tokens):
        for i, value in enumerate(sums(base.model, ids)):
            patients[NOTES[note][0]][i] += value
    wanted = measure((row[0], row[1], row[2]) for row in patients.values())
    got = measure_batches(base.model, test_batches(tokens), len(tokens.patient_ids), "no")
    assert (got.patients, got.tokens, got.correct) == (3, wanted.tokens, wanted.correct)
    assert got.loss_sum == pytest.approx(wanted.loss_sum, rel=1e-6)
    assert got.loss_var == pytest.approx(wanted.loss_var, rel=1e-4)
    assert got.correct_var == pytest.approx(wanted.correct_var, rel=1e-9)


@pytest.mark.parametrize("batch_tokens", [1, 100, 100_000])
def test_measures_do_not_depend_on_the_batch_size(base: BaseModel, tokens: TokenDataset, batch_tokens: int) -> None:
    one = measure_batches(base.model, test_batches(tokens), len(tokens.patient_ids), "no")
    other = measure_batches(base.model, test_batches(tokens, batch_tokens), len(tokens.patient_ids), "no")
    assert other.as_dict() == pytest.approx(one.as_dict(), rel=1e-5)


class Told(Team):
    """A process of a team that measures after all others: what they counted is ``others``, what all did, ``rows``."""

    others: torch.Tensor | float = 0.0
    rows: torch.Tensor

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        object.__setattr__(self, "rows", tensor + self.others)
        return self.rows


@pytest.mark.parametrize("batch_tokens", [1, 100, 100_000])
@pytest.mark.parametrize("size", [2, 3])
def test_a_team_measures_every_note_once_in_as_many_passes_on_each_rank(
    base: BaseModel, tokens: TokenDataset, batch_tokens: int, size: int
) -> None:
    passes: list[int] = []
    handle = base.model.register_forward_pre_hook(lambda *_: passes.append(rank))
    others, found = torch.zeros(len(tokens.patient_ids), 3, dtype=torch.float64), Measure()
    for rank in range(size):
        team = Told(rank, size)
        object.__setattr__(team, "others", others)
        batches = test_batches(tokens, batch_tokens)
        found = measure_batches(base.model, batches, len(tokens.patient_ids), "no", team)
        others = team.rows
    handle.remove()
    alone = measure_batches(base.model, test_batches(tokens, batch_tokens), len(tokens.patient_ids), "no")
    assert found.as_dict() == pytest.approx(alone.as_dict(), rel=1e-12)
    count = len(list(test_batches(tokens, batch_tokens)))
    assert [passes.count(rank) for rank in range(size)] == [-(-count // size)] * size


def test_measuring_keeps_no_gradients_and_leaves_the_model_as_it_was(base: BaseModel, tokens: TokenDataset) -> None:
    before = {n: v.clone() for n, v in base.model.state_dict().items()}
    base.model.train()
    measure_batches(base.model, test_batches(tokens), len(tokens.patient_ids), "no")
    assert not base.model.training
    assert all(torch.equal(v, before[n]) for n, v in base.model.state_dict().items())
    assert all(p.grad is None for p in base.model.parameters())


def test_answers_are_scored_by_the_likelihood_of_their_own_tokens(base: BaseModel) -> None:
    config = DataConfig(task="label", max_tokens=64)
    tokens = tokenise(dataset(("died", "survived")), base.tokenizer, config, ("survived", "died"))
    table = answer_losses(base.model, label_batches(tokens, 200), len(tokens), 2, "no")
    assert table.shape == (len(NOTES), 2) and np.isfinite(table).all()
    frame = tokens.frame
    for note in range(len(tokens)):
        text = tokens.ids[tokens.offsets[note] : tokens.offsets[note + 1]]
        asked = [*frame.start, *frame.prompt, *text, *frame.question]
        for label, answer in enumerate(frame.answers):
            _, loss, _ = sums(base.model, [int(i) for i in (*asked, *answer, *frame.stop)], given=len(asked))
            assert table[note, label] == pytest.approx(loss, rel=1e-5)


# ---------------------------------------------------------------------- intervals


def drawn(rng: np.random.Generator, patients: int) -> list[tuple[float, float, float]]:
    """Patients with notes of different lengths; longer notes read more easily; tokens of a patient hang together."""
    tokens = rng.integers(50, 500, patients).astype(float)
    level = 2.0 - tokens / 1000 + 0.3 * rng.standard_normal(patients)
    share = np.clip(0.4 + 0.1 * rng.standard_normal(patients), 0, 1)
    return list(zip(tokens, tokens * level, np.round(tokens * share), strict=True))


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    many = np.array(drawn(rng, 400_000))
    loss, accuracy = many[:, 1].sum() / many[:, 0].sum(), many[:, 2].sum() / many[:, 0].sum()
    trials, loss_hits, accuracy_hits = 600, 0, 0
    for _ in range(trials):
        found = sum((measure(drawn(rng, 40)) for _ in range(3)), Measure())  # three hospitals
        low, high = found.perplexity_interval()
        loss_hits += low <= math.exp(loss) <= high
        low, high = found.accuracy_interval()
        accuracy_hits += low <= accuracy <= high
    assert 0.925 <= loss_hits / trials <= 0.975
    assert 0.925 <= accuracy_hits / trials <= 0.975


def test_one_patient_has_measures_but_no_interval_to_speak_of() -> None:
    found = measure([(10.0, 20.0, 5.0)])
    assert (found.loss, found.token_accuracy, found.patients) == (2.0, 0.5, 1)
    assert (found.loss_var, found.correct_var) == (0.0, 0.0)
    assert found.perplexity_interval() == pytest.approx((math.exp(2), math.exp(2)))


def test_patients_with_one_rate_have_no_variance() -> None:
    found = measure([(10.0, 20.0, 5.0), (20.0, 40.0, 10.0), (5.0, 10.0, 2.5)])
    assert found.loss_var == found.correct_var == pytest.approx(0.0)


def test_variances_by_hand_for_three_patients() -> None:
    found = measure([(10.0, 10.0, 4.0), (20.0, 50.0, 10.0), (30.0, 60.0, 16.0)])
    # mean 2: residuals -10, 10, 0; 3/2 * 200. accuracy .5: residuals -1, 0, 1; 3/2 * 2
    assert (found.loss_var, found.correct_var) == pytest.approx((300.0, 3.0))


def test_the_perplexity_interval_is_symmetric_in_the_loss() -> None:
    found = measure(drawn(np.random.default_rng(1), 30))
    low, high = (math.log(side) for side in found.perplexity_interval())
    assert (low + high) / 2 == pytest.approx(found.loss) and low < found.loss < high
