"""The bottom of notes: it learns on the party's own notes, and leaves the base model as it was."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from client_app.vertical.learning.arrays import LearningError
from client_app.vertical.learning.bottoms import BottomSettings, Opening, open_bottom
from client_app.vertical.learning.bottoms.hidden_states import LanguageSettings, Windows
from client_app.vertical.learning.bottoms.kept import FILE
from client_app.vertical.learning.bottoms.notes import NotesBottom
from client_app.vertical.learning.fitting import FitSettings
from crossward.adapters.base import BaseModel, load_base
from crossward.config.model_settings import LoraSettings, ModelConfig

READ = LanguageSettings(max_tokens=24, patient_tokens=40, segment=8, steps=2, batch=4)
SMALL = BottomSettings(dim=4, hidden=8, represent=FitSettings(epochs=2))
LORA = LoraSettings(rank=2)
TEXTS = (
    *(f"Lungs clear. Ambulating, {number} steps. Condition: good." for number in range(9)),
    *(f"On pressors, rate {number}. Family at bedside. Condition: critical." for number in range(9)),
    "",
    "Stable. " * 60 + "Condition: fair.",
)
EVERYONE = np.arange(len(TEXTS))


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return load_base(ModelConfig(device="cpu"))


def party(notes: tuple[str, ...] = TEXTS, values: Any = None, names: tuple[str, ...] = ()) -> Any:
    return SimpleNamespace(values=values, names=names, notes=notes)


def opened(base: BaseModel, notes: tuple[str, ...] = TEXTS, language: LanguageSettings = READ) -> NotesBottom:
    found = open_bottom(party(notes), Opening(bottom=SMALL, language=language, lora=LORA, base=base))
    assert isinstance(found, NotesBottom)
    return found


@pytest.fixture(scope="module")
def learnt(base: BaseModel) -> NotesBottom:
    bottom = opened(base)
    bottom.represent(seed=0)
    return bottom


def test_it_learns_factors_and_bounded_embeddings_and_leaves_the_base_model_bare(
    learnt: NotesBottom, base: BaseModel
) -> None:
    found = learnt.embed(EVERYONE)
    assert np.isfinite(found).all() and found.shape == (len(TEXTS), 4)
    assert np.linalg.norm(found, axis=1).max() <= 1 + 1e-6
    assert np.abs(learnt.factors).max() > 0
    assert not getattr(base.model, "peft_config", None)
    assert not any(weight.requires_grad for weight in base.model.parameters())


def test_notes_that_say_alike_lie_nearer_than_notes_that_say_otherwise(learnt: NotesBottom) -> None:
    found = learnt.embed(EVERYONE)
    good, critical = found[:9], found[9:18]
    within = np.linalg.norm(good - good.mean(0), axis=1).mean()
    assert within < np.linalg.norm(critical - good.mean(0), axis=1).mean()


def test_one_seed_gives_one_representation(learnt: NotesBottom, base: BaseModel) -> None:
    again = opened(base)
    again.represent(seed=0)
    assert np.array_equal(again.embed(EVERYONE), learnt.embed(EVERYONE))


def test_a_saved_bottom_reads_other_patients_with_the_factors_it_learnt(learnt: NotesBottom, base: BaseModel) -> None:
    other = opened(base, TEXTS[5:8])
    other.load(learnt.state())
    assert np.allclose(other.embed(np.arange(3)), learnt.embed(EVERYONE[5:8]), atol=1e-5)
    state = learnt.state()
    bare = opened(base, TEXTS[5:8])
    bare.load(state | {"fitted.factors": np.zeros(0, np.float32)})
    assert not np.allclose(bare.embed(np.arange(3)), learnt.embed(EVERYONE[5:8]), atol=1e-5)


def test_without_steps_the_base_model_is_read_as_it_is(base: BaseModel) -> None:
    bottom = opened(base, TEXTS[:6], LanguageSettings(max_tokens=24, patient_tokens=24, steps=0))
    bottom.represent(seed=0)
    assert bottom.fitted()["factors"].shape == (0,) and np.isfinite(bottom.embed(EVERYONE[:6])).all()


def test_of_long_notes_the_last_tokens_are_read_and_empty_ones_have_a_window(base: BaseModel) -> None:
    windows = Windows.of(TEXTS, base.tokenizer, READ)
    of_long = [ids for ids, patient in zip(windows.ids, windows.patients, strict=True) if patient == len(TEXTS) - 1]
    assert sum(len(ids) - windows.start for ids in of_long) == READ.patient_tokens
    assert base.tokenizer.decode(of_long[-1]).endswith("Condition: fair.")
    assert set(windows.patients.tolist()) == set(range(len(TEXTS)))
    assert max(len(ids) for ids in windows.ids) <= READ.max_tokens


def test_hidden_states_do_not_depend_on_who_else_is_in_a_pass(base: BaseModel) -> None:
    alone = opened(base, TEXTS[9:10]).segments().states
    among = opened(base).segments()
    assert np.allclose(among.states[among.offsets[9] : among.offsets[10]], alone, atol=1e-4)


def test_notes_and_a_table_lie_side_by_side(base: BaseModel) -> None:
    values = np.arange(12, dtype=np.float64).reshape(6, 2)
    both = open_bottom(
        party(TEXTS[:6], values, ("age", "weight")), Opening(bottom=SMALL, language=READ, lora=LORA, base=base)
    )
    both.represent(seed=0)
    assert both.embed(EVERYONE[:6]).shape == (6, 8)
    assert np.linalg.norm(both.embed(EVERYONE[:6]), axis=1).max() <= 1 + 1e-6


def test_notes_without_a_base_model_and_notes_that_are_all_empty_are_refused(base: BaseModel) -> None:
    with pytest.raises(LearningError, match="needs a base model"):
        open_bottom(party(), Opening())
    with pytest.raises(LearningError, match="empty after tokenising"):
        opened(base, ("", "")).represent(seed=0)


def test_a_party_that_is_started_anew_reads_its_notes_once(base: BaseModel, tmp_path: Path) -> None:
    passes: list[int] = []
    hook = base.model.base_model.register_forward_pre_hook(lambda *_: passes.append(1))

    def embedded(notes: tuple[str, ...]) -> np.ndarray:
        opening = Opening(bottom=SMALL, language=READ, lora=LORA, base=base, keep=tmp_path)
        return open_bottom(party(notes), opening).embed(np.arange(len(notes)))

    try:
        first, count = embedded(TEXTS[:4]), len(passes)
        assert np.array_equal(embedded(TEXTS[:4]), first) and len(passes) == count > 0
        (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:300])  # damaged
        assert np.array_equal(embedded(TEXTS[:4]), first) and len(passes) == 2 * count
        assert not np.array_equal(embedded(TEXTS[9:13]), first) and len(passes) == 3 * count  # other notes
    finally:
        hook.remove()
    assert (tmp_path / FILE).stat().st_mode & 0o77 == 0
