"""What is used of the model libraries' internals is there, works, and is missed with a clear error."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace

import datasets
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.distributed.elastic.rendezvous.dynamic_rendezvous import DynamicRendezvousHandler
from torch.distributed.run import main as torchrun

from client_app.training.loop import accelerator_for
from crossward.internals import bitsandbytes as quantization
from crossward.internals.accelerate import reset_precision
from crossward.internals.check import InternalsError
from crossward.internals.datasets import fingerprint
from crossward.internals.torch import torchrun_without_port


@pytest.fixture
def _accelerator() -> Iterator[None]:
    yield
    reset_precision()
    accelerator_for.cache_clear()  # what it made is of the state that is forgotten


@pytest.mark.usefixtures("_accelerator")
def test_a_process_can_change_its_precision() -> None:
    reset_precision()
    assert Accelerator(cpu=True, mixed_precision="no").mixed_precision == "no"
    reset_precision()
    assert Accelerator(cpu=True, mixed_precision="bf16").mixed_precision == "bf16"
    reset_precision()
    reset_precision()  # with nothing to forget


def test_another_accelerate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AcceleratorState, "_reset_state", staticmethod(lambda: None))
    with pytest.raises(InternalsError, match=r"^accelerate \S+: .*_reset_state takes no reset_partial_state"):
        reset_precision()


def test_a_fingerprint_follows_the_rows() -> None:
    first, second = (datasets.Dataset.from_dict({"text": [text]}) for text in "ab")
    assert fingerprint(first) == fingerprint(datasets.Dataset.from_dict({"text": ["a"]})) != fingerprint(second)
    with pytest.raises(InternalsError, match=r"^datasets \S+: datasets\.Dataset has no _fingerprint"):
        fingerprint(object())


def test_torchrun_opens_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "0")
    assert torchrun_without_port() is torchrun
    assert os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] == "1"
    monkeypatch.setattr(DynamicRendezvousHandler, "use_agent_store", property(lambda self: True))
    with pytest.raises(InternalsError, match=r"^torch \S+: its rendezvous does not read TORCH_DISABLE_SHARE"):
        torchrun_without_port()


def test_the_remarks_that_are_dropped_are_those_of_bitsandbytes() -> None:
    quantization.quiet_bitsandbytes()
    installed = Path(str(distribution("bitsandbytes").locate_file("bitsandbytes")))
    for name, remark in zip(quantization.LOGGERS, quantization.NOISE, strict=True):
        assert remark in installed.parent.joinpath(*name.split(".")).with_suffix(".py").read_text(encoding="utf-8")
        logger = logging.getLogger(name)
        for text, kept in ((remark + " and more", False), ("CUDA is broken", True)):
            record = logger.makeRecord(name, logging.WARNING, "f", 1, text, (), None)
            assert bool(logger.filter(record)) is kept


def test_an_int8_weight_without_scales_is_refused() -> None:
    class Int8Params:
        pass

    module = SimpleNamespace(weight=Int8Params())
    assert quantization.is_quantized(module.weight) and not quantization.is_quantized(torch.zeros(1))
    with pytest.raises(InternalsError, match=r"^bitsandbytes \S+: an int8 weight has its scales neither"):
        quantization.dequantized(module)
