"""Linear layers by oneDNN give what torch's own give, forwards, backwards and twice backwards, or leave it to them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crossward.adapters import frozen_linear
from crossward.adapters.frozen_linear import FrozenLinear, freeze_linears, onednn_is_faster
from crossward.internals import torch as internals
from crossward.internals.check import InternalsError

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """The shapes of what oneDNN multiplied."""
    seen: list[torch.Size] = []
    real = frozen_linear.onednn_linear()

    def counting(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        seen.append(states.shape)
        return real(states, weight, bias)

    monkeypatch.setattr(frozen_linear, "onednn_linear", lambda: counting)
    return seen


def pair(bias: bool) -> tuple[torch.nn.Linear, torch.nn.Linear]:
    torch.manual_seed(0)
    usual = torch.nn.Linear(48, 20, bias=bias).requires_grad_(False)
    frozen = torch.nn.Linear(48, 20, bias=bias).requires_grad_(False)
    frozen.load_state_dict(usual.state_dict())
    freeze_linears(torch.nn.Sequential(frozen))
    assert type(frozen) is FrozenLinear and type(usual) is torch.nn.Linear
    return usual, frozen


def gradients(layer: torch.nn.Linear, states: torch.Tensor) -> list[torch.Tensor]:
    """Outputs, gradient, and the gradient of the gradient's length."""
    given = states.clone().requires_grad_()
    out = layer(given)
    (first,) = torch.autograd.grad(out.pow(3).sum(), given, create_graph=True)
    (second,) = torch.autograd.grad(first.pow(2).sum(), given)
    return [out.detach(), first.detach(), second]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("turned", [False, True], ids=["as it lies", "transposed"])
def test_outputs_and_gradients_of_gradients_are_those_of_a_linear_layer(
    bias: bool, turned: bool, products: list[torch.Size]
) -> None:
    usual, frozen = pair(bias)
    states = torch.randn(3, 48, 7).transpose(1, 2) if turned else torch.randn(3, 7, 48)
    for expected, found in zip(gradients(usual, states), gradients(frozen, states), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert products[:2] == [(3, 7, 48), (3, 7, 20)] and len(products) > 2


def test_a_gradient_without_strides_and_no_tokens_are_taken_too() -> None:
    usual, frozen = pair(bias=True)
    states = torch.randn(5, 48, requires_grad=True)
    frozen(states).sum().backward()  # of a sum: one value, expanded
    torch.testing.assert_close(states.grad, usual.weight.sum(0).expand(5, -1), rtol=1e-4, atol=1e-5)
    assert frozen(torch.zeros(2, 0, 48)).shape == (2, 0, 20)


def test_what_onednn_is_not_meant_for_is_left_to_torch(products: list[torch.Size]) -> None:
    _, frozen = pair(bias=True)
    states = torch.randn(5, 48)
    with torch.autocast("cpu", torch.bfloat16):
        assert frozen(states).dtype == torch.bfloat16
    frozen.requires_grad_()
    frozen(states).sum().backward()
    assert frozen.weight.grad is not None
    frozen.requires_grad_(False).to(torch.bfloat16)
    assert frozen(states.bfloat16()).dtype == torch.bfloat16
    assert products == []
    frozen.float()(states)
    assert products == [(5, 48)]  # the control


def test_only_plain_linear_layers_that_are_frozen_are_changed() -> None:
    class Router(torch.nn.Linear):
        pass

    layers = (Router(2, 2), torch.nn.Linear(2, 2), torch.nn.Embedding(2, 2))
    model = torch.nn.Sequential(*layers).requires_grad_(False).append(torch.nn.Linear(2, 2))
    freeze_linears(model)
    assert [type(module) for module in model] == [Router, FrozenLinear, torch.nn.Embedding, torch.nn.Linear]


@pytest.mark.parametrize(
    ("text", "machine", "faster"),
    [
        ("processor\t: 0\nvendor_id\t: AuthenticAMD\n", "x86_64", True),
        ("processor\t: 0\nvendor_id\t: GenuineIntel\n", "x86_64", False),
        ("processor\t: 0\nvendor_id\t: AuthenticAMD\n", "aarch64", False),
        ("processor\t: 0\n", "x86_64", False),
        (None, "x86_64", False),
    ],
    ids=["AMD", "Intel", "Arm", "unnamed", "no such file"],
)
def test_whose_processor_it_is_decides(
    text: str | None, machine: str, faster: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(frozen_linear, "CPUS", tmp_path / "cpuinfo")
    monkeypatch.setattr(frozen_linear.platform, "machine", lambda: machine)
    assert onednn_is_faster.__wrapped__() is faster


def test_another_operation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", torch.ops.aten.mm)
    with pytest.raises(InternalsError, match=r"^torch \S+: mkldnn::_linear_pointwise takes self, mat2\."):
        internals.onednn_linear.__wrapped__()
