"""A hospital's learner over a shared model: training, training alone, measuring, and nothing left for a neighbour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss, f1_score, roc_auc_score

from client_app.personal.trainer import Given
from client_app.training import learner as module
from client_app.training.learner import LoraLearner, adapted_model
from client_app.training.loop import TrainingError, train_steps
from client_app.training.notes_trainer import NotesTrainer
from client_app.training.spec import site_name
from crossward.adapters import AdapterError, LoraSettings, ModelConfig, read_vector
from crossward.config.personal_settings import NOT_PERSONAL
from crossward.config.schedule import Schedule
from crossward.config.train_settings import TrainSettings
from crossward.evaluation.labels import label_scores, scores
from data import DataConfig, Hospital, label_batches, load_hospitals, test_batches, tokenise, train_batches
from data.batches import IGNORED

MODEL, LORA = ModelConfig(device="cpu"), LoraSettings(rank=2)
DATA = DataConfig(synthetic_patients=24, max_tokens=64, min_patients=2)
SCHEDULE = Schedule(versions=2, local_steps=2, peak=1e-2)
SETTINGS = TrainSettings(batch_size=4)
Make = Callable[..., LoraLearner]


pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture(scope="module")
def hospitals(own_home: Path) -> list[Hospital]:
    return load_hospitals(DATA, 3)


@pytest.fixture
def make(hospitals: list[Hospital]) -> Make:
    """A learner of hospital ``number``; keywords replace settings."""

    def made(number: int = 0, site: str = "", schedule: Schedule = SCHEDULE, **given: object) -> LoraLearner:
        settings = replace(SETTINGS, **given)  # type: ignore[arg-type]
        return LoraLearner(adapted_model(MODEL, LORA, 0), hospitals[number], DATA, schedule, settings, site)

    return made


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---------------------------------------------------------------------- a process and its hospitals


def test_the_workshop_is_made_once_a_process_and_again_for_other_settings() -> None:
    adapted = adapted_model(MODEL, LORA, 0)
    assert adapted_model(ModelConfig(device="cpu"), LoraSettings(rank=2), 0) is adapted
    other = adapted_model(MODEL, LORA, 1)
    assert other is not adapted and other.layout.fingerprint != adapted.layout.fingerprint
    again = adapted_model(MODEL, LORA, 0)
    assert again.layout.fingerprint == adapted.layout.fingerprint and np.array_equal(again.initial, adapted.initial)


def test_sequences_that_are_longer_than_the_model_takes_are_refused_before_a_step(hospitals: list[Hospital]) -> None:
    adapted = adapted_model(MODEL, LORA, 0)
    LoraLearner(adapted, hospitals[0], replace(DATA, max_tokens=1024), SCHEDULE, SETTINGS)
    expected = r"data\.max-tokens = 1025 is more than the 1024 positions of the model \(model\.name = 'embedded'\)"
    with pytest.raises(AdapterError, match=expected):
        LoraLearner(adapted, hospitals[0], replace(DATA, max_tokens=1025), SCHEDULE, SETTINGS)


def test_notes_are_loaded_once_a_process(make: Make) -> None:
    assert module.notes(DATA, 0, 3) is module.notes(DATA, 0, 3)
    assert module.notes(DATA, 1, 3) is not module.notes(DATA, 0, 3)
    assert [module.notes(DATA, i, 3).name for i in range(3)] == [make(i).site for i in range(3)]


def test_sizes_and_layout_describe_the_vector(make: Make) -> None:
    learner = make()
    layout = learner.adapted.layout
    assert learner.layout == layout.fingerprint
    assert learner.sizes == tuple(int(np.prod(block.shape)) for block in layout.blocks)
    assert learner.initial().shape == (sum(learner.sizes),) and learner.initial().dtype == np.float32
    assert not learner.initial()[layout.blocks[1].offset :][: layout.blocks[1].size].any()  # B starts at nought
    assert make(1).layout == learner.layout


def test_a_site_is_called_what_it_is_told_or_what_its_notes_say(make: Make, hospitals: list[Hospital]) -> None:
    assert make(0).site == hospitals[0].name
    assert make(0, site="Ward 7").site == "Ward 7"


def test_hospitals_that_share_a_process_leave_each_other_nothing(make: Make) -> None:
    a, b = make(0), make(1)
    start = a.initial()
    first = a.train(start, 0, 1)
    measured = a.evaluate({"x": first.vector})
    other = b.train(first.vector, 1, 2)
    b.evaluate({"y": other.vector})
    b.alone(b.initial(), 2, 3)
    again = a.train(start, 0, 1)
    assert again.vector.tobytes() == first.vector.tobytes() and again == replace(first, vector=again.vector)
    assert a.evaluate({"x": first.vector}) == measured


def test_a_neighbour_that_diverged_leaves_nothing_either(make: Make) -> None:
    a, b = make(0), make(1)
    wanted = a.train(a.initial(), 0, 1).vector
    try:
        with pytest.raises(TrainingError):
            b.train(np.full_like(b.initial(), 1e30), 0, 2)
        assert a.train(a.initial(), 0, 1).vector.tobytes() == wanted.tobytes()
    finally:
        a.adapted.model.zero_grad()


# ---------------------------------------------------------------------- training


def test_training_is_the_schedules_steps_over_the_hospitals_batches(make: Make) -> None:
    learner = make(0)
    learner.tuning = NOT_PERSONAL  # nobody is set aside for a personal adapter
    got = learner.train(learner.initial(), 1, 5)
    learner.evaluate({"reset": learner.initial()})
    batches = train_batches(learner.train_tokens, 4, rng(5))
    outcome = train_steps(learner.adapted.model, batches, 2, lambda s: SCHEDULE.learning_rate(1, s), SETTINGS)
    assert read_vector(learner.adapted.model, learner.adapted.layout).tobytes() == got.vector.tobytes()
    assert (got.loss_sum, got.num_tokens, got.steps) == (outcome.loss_sum, outcome.tokens, 2)
    assert got.num_examples == len(learner.hospital.train)


def test_a_version_and_a_generator_decide_everything(make: Make) -> None:
    learner, start = make(0), make(0).initial()
    one = learner.train(start, 0, 1).vector
    torch.manual_seed(99)
    assert learner.train(start, 0, 1).vector.tobytes() == one.tobytes()
    assert learner.train(start, 0, 2).vector.tobytes() != one.tobytes()
    assert learner.train(start, 1, 1).vector.tobytes() != one.tobytes()  # another learning rate
    assert not np.array_equal(one, start) and np.array_equal(start, learner.initial())


def test_dropout_too_is_decided_by_the_generator(hospitals: list[Hospital]) -> None:
    adapted = adapted_model(MODEL, LoraSettings(rank=2, dropout=0.3), 0)
    learner = LoraLearner(adapted, hospitals[0], DATA, SCHEDULE, SETTINGS)
    one = learner.train(adapted.initial, 0, 1).vector
    assert learner.train(adapted.initial, 0, 1).vector.tobytes() == one.tobytes()


def test_packing_and_unpacked_notes_both_train(hospitals: list[Hospital]) -> None:
    unpacked = replace(DATA, packing=False)
    learner = LoraLearner(adapted_model(MODEL, LORA, 0), hospitals[0], unpacked, SCHEDULE, SETTINGS)
    got = learner.train(learner.initial(), 0, 0)
    assert got.num_tokens > 0 and np.isfinite(got.vector).all()


def test_training_alone_runs_through_a_whole_schedule(make: Make) -> None:
    learner = make(0)
    received: list[int] = []
    got = learner.alone(learner.initial(), 4, 1, lambda step, loss: received.append(step))
    assert received == [0, 1, 2, 3]
    whole = make(0, schedule=replace(SCHEDULE, versions=1, local_steps=4))
    whole.tuning = NOT_PERSONAL
    assert whole.train(whole.initial(), 0, 1).vector.tobytes() == got.tobytes()


def test_a_personal_adapter_goes_on_from_the_global_one_and_gains_on_patients_it_did_not_see(make: Make) -> None:
    learner, other = make(0), make(1)
    start = other.alone(other.initial(), 4, 1)
    received: list[int] = []
    made = learner.personal(start, None, 8, 1, lambda step, loss: received.append(step))
    assert received == [*range(8), *range(8)]  # without the validation patients, then with them
    assert made.validation["personal"] < made.validation["global"] and made.share > 0.0
    measures = learner.evaluate({"global": start, "personal": made.vector})
    assert measures["personal"].loss < measures["global"].loss
    assert learner.personal(start, None, 8, 1).vector.tobytes() == made.vector.tobytes()
    assert learner.personal(start, None, 8, 2).vector.tobytes() != made.vector.tobytes()


def test_the_validation_patients_are_not_trained_on(make: Make) -> None:
    learner = make(0)
    trainer = NotesTrainer(learner)
    split = trainer.split
    assert split is not None and not split.many
    given = Given(learner.initial(), None, 8, SCHEDULE.peak, 0)
    fitted, memorised = trainer.tune(given, split.fit), trainer.tune(given, split.validation)
    assert trainer.loss(memorised, split.validation) < trainer.loss(fitted, split.validation)
    assert trainer.loss(memorised, split.fit) > trainer.loss(fitted, split.fit)
    assert trainer.tune(given).tobytes() == learner.alone(learner.initial(), 8, 0).tobytes()


def test_where_patients_are_few_the_global_adapter_does_not_know_those_that_validate(make: Make) -> None:
    learner, own = make(0), make(0)
    own.tuning = NOT_PERSONAL
    split = learner.split
    assert split is not None and own.shared is None and learner.shared is split.fit
    got, of_all = learner.train(learner.initial(), 0, 1), own.train(own.initial(), 0, 1)
    fitted = own.fit(own.initial(), SCHEDULE.local_steps, SCHEDULE, 0, 1, among=split.fit)
    assert got.vector.tobytes() == fitted.vector.tobytes() != of_all.vector.tobytes()
    assert (got.num_examples, of_all.num_examples) == (len(split.fit), len(split.fit) + len(split.validation))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("client_app.personal.split.MANY", 2)
        assert make(0).shared is None  # of many patients it knows hardly one by heart


def test_training_lowers_the_held_out_loss(make: Make) -> None:
    learner = make(0)
    tuned = learner.alone(learner.initial(), 8, 1)
    measures = learner.evaluate({"base": learner.initial(), "tuned": tuned})
    assert measures["tuned"].loss < measures["base"].loss - 0.05
    assert list(measures) == ["base", "tuned"]


@pytest.mark.parametrize("factors", ["both", "b"])
def test_either_kind_of_factors_trains(hospitals: list[Hospital], factors: str) -> None:
    adapted = adapted_model(MODEL, LoraSettings(rank=2, factors=factors), 0)
    learner = LoraLearner(adapted, hospitals[0], DATA, SCHEDULE, SETTINGS)
    got = learner.train(learner.initial(), 0, 0)
    assert got.vector.shape == (sum(learner.sizes),)
    assert ([".lora_A." in b.name for b in adapted.layout.blocks].count(True) == 0) == (factors == "b")


# ---------------------------------------------------------------------- measuring


def test_measures_do_not_depend_on_packing_or_batch_size(make: Make, hospitals: list[Hospital]) -> None:
    models = {"x": make(0).train(make(0).initial(), 0, 0).vector}
    one = make(0).evaluate(models)["x"]
    other = make(0, evaluation_tokens=70).evaluate(models)["x"]
    unpacked = replace(DATA, packing=False)
    third = LoraLearner(adapted_model(MODEL, LORA, 0), hospitals[0], unpacked, SCHEDULE, SETTINGS).evaluate(models)["x"]
    assert other.as_dict() == pytest.approx(one.as_dict(), rel=1e-5)
    assert third == one
    assert one.patients == len(set(hospitals[0].test["patient_id"]))


# ---------------------------------------------------------------------- the label task

LABELS = replace(DATA, task="label", label="mortality", max_tokens=96, synthetic_patients=40)


@pytest.fixture(scope="module")
def labelled(own_home: Path) -> list[LoraLearner]:
    adapted = adapted_model(MODEL, LORA, 0)
    return [LoraLearner(adapted, h, LABELS, SCHEDULE, SETTINGS) for h in load_hospitals(LABELS, 2)]


def test_the_label_task_learns_answers_only(labelled: list[LoraLearner]) -> None:
    learner = labelled[0]
    frame = learner.train_tokens.frame
    longest = max(len(a) for a in frame.answers) + len(frame.stop)
    batch = next(train_batches(learner.train_tokens, 4, rng()))
    learned = (batch["labels"] != IGNORED).sum(1)
    assert 0 < int(learned.min()) <= int(learned.max()) <= longest
    got = learner.train(learner.initial(), 0, 0)
    assert got.num_tokens <= 2 * 4 * longest
    held_out = next(test_batches(learner.test_tokens)).inputs["labels"]
    assert int((held_out != IGNORED).sum(1).max()) <= longest
    assert learner.evaluate({"x": got.vector})["x"].tokens <= longest * len(learner.test_tokens)


def test_scores_equal_scikit_learns_by_hand() -> None:
    losses = np.array([[1.0, 3.0], [2.0, 1.9], [0.5, 4.0], [3.0, 1.0], [1.0, 1.5]])
    answers = np.array([0, 1, 0, 1, 1])
    died = np.exp(-losses[:, 1]) / np.exp(-losses).sum(1)
    found = scores(losses, answers)
    assert found["auroc"] == pytest.approx(roc_auc_score(answers, died))
    assert found["macro_f1"] == pytest.approx(f1_score(answers, [0, 1, 0, 1, 0], average="macro"))
    assert found["brier"] == pytest.approx(2 * brier_score_loss(answers, died))  # both labels' distances


def test_the_calibration_error_is_how_far_sureness_is_from_being_right() -> None:
    """By hand: sure to 0.8 and right in three of four, sure to 0.55 and right in none of two."""
    sure = np.array([0.8, 0.8, 0.8, 0.8, 0.55, 0.55])
    losses = -np.log(np.stack([sure, 1 - sure], axis=1))
    found = scores(losses, np.array([0, 0, 0, 1, 1, 1]))
    assert found["ece"] == pytest.approx((4 * abs(0.75 - 0.8) + 2 * abs(0.0 - 0.55)) / 6)
    certain = scores(np.array([[0.0, 800.0], [800.0, 0.0]]), np.array([0, 1]))
    assert certain["ece"] == 0.0 == certain["brier"]


def test_scores_of_many_labels_average_one_against_the_rest_over_those_that_occur() -> None:
    made = rng(3)
    losses, answers = made.exponential(1.0, (30, 5)), made.integers(0, 3, 30)
    losses[np.arange(30), answers] *= 0.5
    likely = np.exp(-losses) / np.exp(-losses).sum(1, keepdims=True)
    wanted = np.mean([roc_auc_score(answers == label, likely[:, label]) for label in range(3)])
    found = scores(losses, answers)
    assert found["auroc"] == pytest.approx(wanted)
    predicted = losses.argmin(1)
    assert found["macro_f1"] == pytest.approx(np.mean([f1_score(answers == k, predicted == k) for k in range(3)]))


def test_very_unlikely_answers_still_rank() -> None:
    """Summed losses of thousands of nats must not all become a probability of nought."""
    losses = np.array([[5000.0, 5001.0], [5003.0, 5000.0], [4000.0, 4000.5], [9000.0, 8000.0]])
    assert scores(losses, np.array([0, 1, 0, 1]))["auroc"] == 1.0


def test_one_class_alone_has_no_auroc() -> None:
    found = scores(np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([0, 0]))
    assert found["auroc"] is None and found["macro_f1"] == 1.0


def test_label_scores_are_given_by_model_and_hospital(labelled: list[LoraLearner]) -> None:
    base = labelled[0].initial()
    tuned = labelled[0].alone(base, 4, 0)
    found = label_scores(labelled, {"base": base, "tuned": tuned})
    sites = [learner.site for learner in labelled]
    assert set(found) == {(model, site) for model in ("base", "tuned") for site in (*sites, "all")}
    for row in found.values():
        assert 0 <= row["macro_f1"] <= 1 and (row["auroc"] is None or 0 <= row["auroc"] <= 1)
    assert {len(learner.test_tokens.labels) for learner in labelled} == {2}


def test_an_answer_is_learned(labelled: list[LoraLearner]) -> None:
    """After some steps the right answer of a held-out note costs less than before."""
    learner = labelled[0]
    tuned = learner.alone(learner.initial(), 8, 0)
    measures = learner.evaluate({"base": learner.initial(), "tuned": tuned})
    assert measures["tuned"].loss < 0.7 * measures["base"].loss


def test_label_tokens_are_the_same_however_they_are_batched(labelled: list[LoraLearner]) -> None:
    tokens = labelled[0].test_tokens
    pairs = [
        (int(note), int(answer))
        for batch in label_batches(tokens, 150)
        for note, answer in zip(batch.notes, batch.candidates, strict=True)
    ]
    assert sorted(pairs) == [(note, answer) for note in range(len(tokens)) for answer in range(2)]
    again = tokenise(labelled[0].hospital.test, labelled[0].adapted.base.tokenizer, LABELS, tokens.labels)
    assert np.array_equal(again.ids, tokens.ids)


@pytest.mark.parametrize(
    ("name", "sent"), [("Ward 3", "Ward 3"), ("two\n lines\t", "two lines"), ("", "hospital"), ("x" * 300, "x" * 200)]
)
def test_a_hospitals_name_is_sent_as_one_printable_line(name: str, sent: str) -> None:
    assert site_name(name) == sent
