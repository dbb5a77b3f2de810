"""What goes to the model's device; the losses themselves are measured against the model's own in test_measuring."""

from __future__ import annotations

import pytest
import torch

from client_app.training.losses import summed_loss, to_device, token_losses

CPU = torch.device("cpu")


def batch(mask: list[list[int]]) -> dict[str, torch.Tensor]:
    made = torch.tensor(mask)
    return {"input_ids": torch.arange(made.numel()).view(made.shape), "attention_mask": made, "labels": made.clone()}


def test_a_mask_that_hides_nothing_is_left_out() -> None:
    given = batch([[1, 1], [1, 1]])
    assert to_device(given, CPU).keys() == {"input_ids", "labels"}
    assert given.keys() == {"input_ids", "attention_mask", "labels"}


@pytest.mark.parametrize("mask", [[[1, 0], [1, 1]], [[0, 1], [1, 1]], [[0, 0], [0, 0]], [[1, 1], [1, 0]]])
def test_a_mask_that_hides_something_stays(mask: list[list[int]]) -> None:
    got = to_device(batch(mask), CPU)
    assert torch.equal(got["attention_mask"], torch.tensor(mask))
    assert torch.equal(got["input_ids"], batch(mask)["input_ids"])


class Table:
    """A model whose logits are drawn once, whatever it is given; it tells what it was given."""

    def __init__(self, shape: tuple[int, int], vocabulary: int = 7) -> None:
        self.logits = torch.randn(*shape, vocabulary, generator=torch.Generator().manual_seed(0))
        self.given: dict[str, object] = {}

    def __call__(self, **given: object) -> Table:
        self.given = given
        return self


@pytest.mark.parametrize("masked", [False, True])
def test_losses_are_of_the_token_after_each(masked: bool) -> None:
    labels = torch.tensor([[1, 2, 3, -100], [-100, -100, 5, 6]])
    given = {"input_ids": labels.clamp(0), "labels": labels}
    if masked:
        given["attention_mask"] = (labels != -100).long()
    model = Table((2, 4))
    losses, predicted, right = token_losses(model, given)
    logs = torch.log_softmax(model.logits, -1)
    for row, at, token in ((0, 0, 2), (0, 1, 3), (1, 1, 5), (1, 2, 6)):
        assert losses[row, at] == pytest.approx(-float(logs[row, at, token]), rel=1e-6)
        assert bool(right[row, at]) == (int(logs[row, at].argmax()) == token)
    assert predicted.tolist() == [[True, True, False, False], [False, True, True, False]]
    assert not losses[~predicted].any() and not right[~predicted].any()
    assert float(summed_loss(model, given)) == pytest.approx(float(losses.sum()), rel=1e-6)
    assert model.given["use_cache"] is False and (model.given["attention_mask"] is not None) == masked
