"""The bottom of a table: bounded embeddings, local steps, saving and loading."""

from __future__ import annotations

import numpy as np
import pytest

from client_app.vertical.learning.arrays import LearningError
from client_app.vertical.learning.bottoms import Opening, open_bottom
from tests.client_app.vertical.learning.parties import PATIENTS, QUICK, features, opened, tables

EVERYONE = np.arange(PATIENTS)


def test_embeddings_are_bounded_and_finite_also_of_a_patient_without_any_value() -> None:
    values = tables()[0].values.copy()
    values[0] = np.nan
    values[1] = 1e12  # far beyond all others
    found = opened(features(values)).embed(EVERYONE)
    assert found.dtype == np.float32 and found.shape == (PATIENTS, QUICK.dim) and np.isfinite(found).all()
    norms = np.linalg.norm(found, axis=1)
    assert norms.max() <= QUICK.clip * (1 + 1e-6) and np.median(norms) > 0.3 * QUICK.clip  # they are not all zero


def test_one_seed_gives_one_representation_and_another_gives_another() -> None:
    first, second, _ = tables()
    assert np.array_equal(opened(second, seed=3).embed(EVERYONE), opened(second, seed=3).embed(EVERYONE))
    assert not np.allclose(opened(second, seed=3).embed(EVERYONE), opened(second, seed=4).embed(EVERYONE))
    assert opened(first).embed(EVERYONE[:0]).shape == (0, QUICK.dim)


def test_units_do_not_matter() -> None:
    values = tables()[1].values
    found = opened(features(values * [1, 1e3, 1e-3, 5] + [0, 50, 0, -7])).embed(EVERYONE)
    assert np.allclose(found, opened(features(values)).embed(EVERYONE), atol=1e-4)


def test_a_representation_holds_the_values() -> None:
    values = tables()[1].values
    embedded = np.c_[opened(features(values)).embed(EVERYONE), np.ones(PATIENTS)]
    left = values - embedded @ np.linalg.lstsq(embedded, values, rcond=None)[0]
    assert (left.var(0) / values.var(0)).max() < 0.2


def test_embeddings_approach_targets_that_can_be_told_from_features_of_other_patients_too() -> None:
    bottom, other = opened(tables()[1]), opened(tables()[1])
    before = bottom.embed(EVERYONE)
    targets = np.roll(before, 1, axis=1)
    rows, unseen = EVERYONE[::2], EVERYONE[1::2]
    assert bottom.approach(rows, targets[rows], seed=1) > 0.5
    for some in (rows, unseen):
        far = np.square(before[some] - targets[some]).sum(1).mean()
        assert np.square(bottom.embed(some) - targets[some]).sum(1).mean() < 0.5 * far
    assert np.array_equal(other.embed(EVERYONE), before)


def test_a_target_moves_other_patients_alone_so_that_no_embedding_holds_its_own_label() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(2, size=PATIENTS)
    sign = np.zeros((PATIENTS, QUICK.dim), np.float32)
    sign[:, 0] = np.where(labels == 1, 0.4, -0.4)  # labels that no feature tells

    def told(moved: np.ndarray) -> float:
        return float(abs(np.corrcoef(moved[:, 0], labels)[0, 1])) if moved[:, 0].std() > 1e-6 else 0.0

    bottom = opened(tables()[1])
    before = bottom.embed(EVERYONE)
    bottom.approach(EVERYONE, before + sign, seed=0)
    assert told(bottom.embed(EVERYONE) - before) < 0.2
    features = bottom.encoder.features(*bottom.inputs(EVERYONE)).detach().double().numpy()
    own = np.c_[features, np.ones(PATIENTS)]
    fitted = own @ np.linalg.lstsq(own, sign.astype(np.float64), rcond=None)[0]
    assert told(fitted) > 0.25  # the control: a fit to the patient's own target


def test_offsets_of_patients_with_targets_are_theirs_alone() -> None:
    first = opened(tables()[1])
    first.approach(EVERYONE, np.roll(first.embed(EVERYONE), 1, axis=1), seed=0)
    again = open_bottom(tables()[1], Opening(bottom=QUICK))
    again.load(first.state())
    assert np.array_equal(again.embed(EVERYONE), first.embed(EVERYONE))
    values = tables()[1].values[::-1].copy()
    turned = open_bottom(features(values), Opening(bottom=QUICK))
    turned.load(first.state())
    assert not turned.offsets.any() and first.offsets.any()


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        (np.zeros((2, QUICK.dim), np.float32), "have shape"),
        (np.full((3, QUICK.dim), np.nan, np.float32), "finite"),
        (np.zeros((3, QUICK.dim)), "float32"),
    ],
)
def test_targets_of_another_shape_or_kind_are_refused(targets: np.ndarray, reason: str) -> None:
    bottom = opened(tables()[1])
    with pytest.raises(LearningError, match=reason):
        bottom.approach(EVERYONE[:3], targets, seed=0)


def test_a_twin_learns_without_the_other() -> None:
    bottom = opened(tables()[1])
    before, twin = bottom.embed(EVERYONE), bottom.twin()
    twin.approach(EVERYONE, np.zeros_like(before), seed=0)
    assert np.array_equal(bottom.embed(EVERYONE), before) and not np.array_equal(twin.embed(EVERYONE), before)


def test_a_saved_bottom_embeds_other_patients_by_the_moments_it_was_fitted_with() -> None:
    values = tables()[0].values
    bottom = opened(features(values))
    other = open_bottom(features(values[:7]), Opening(bottom=QUICK))
    assert not np.allclose(other.embed(EVERYONE[:7]), bottom.embed(EVERYONE[:7]))
    other.load(bottom.state())
    assert np.array_equal(other.embed(EVERYONE[:7]), bottom.embed(EVERYONE[:7]))


def test_a_state_that_does_not_fit_is_refused_and_names_what_differs() -> None:
    bottom = opened(tables()[1])
    with pytest.raises(LearningError, match="4 features, this table has 3"):
        opened(tables()[0]).load(bottom.state())
    renamed = features(tables()[1].values)
    renamed.names = ("f0", "f2", "f1", "f3")
    with pytest.raises(LearningError, match="differs is 'f1'"):
        opened(renamed).load(bottom.state())
    state = bottom.state()
    with pytest.raises(LearningError, match=r"lacks 'encoder\.scale'"):
        bottom.load({name: array for name, array in state.items() if name != "encoder.scale"})
    with pytest.raises(LearningError, match="not finite"):
        bottom.load(state | {"encoder.shift": np.full(QUICK.dim, np.inf, np.float32)})
    with pytest.raises(LearningError, match="has shape"):
        bottom.load(state | {"encoder.shift": np.zeros(QUICK.dim + 1, np.float32)})


def test_a_table_that_is_none_is_refused() -> None:
    with pytest.raises(LearningError, match="'f1' holds infinite"):
        opened(features(np.array([[0.0, np.inf], [1.0, 2.0]])))
    with pytest.raises(LearningError, match="a column for each name"):
        opened(features(np.zeros((3, 0))))
    nothing = features(np.zeros((2, 1)))
    nothing.values = None
    with pytest.raises(LearningError, match="neither notes nor a table"):
        opened(nothing)
