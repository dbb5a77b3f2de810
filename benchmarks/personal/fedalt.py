"""FedALT (arXiv 2503.11880) on a finished run: own LoRA factors beside frozen ones of the others, and a mixer.

Here the frozen part is the run's global adapter, since an aggregator that opens nothing cannot hand out the mean of
the *other* hospitals. Every adapted layer computes W x + g(x) own(x) + (1 - g(x)) frozen(x), g a trained sigmoid of a
linear function of x. It is no plain adapter: its rank is twice the run's, and g depends on the input.

Not for: models sharded among processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.personal.consortium import Consortium
from client_app.training.measuring import Table
from crossward.adapters import write_vector
from crossward.adapters.core import lora_layers


class Mixer(torch.nn.Module):
    """One layer's: the frozen factors, and the gate."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.a = layer.lora_A["default"].weight.detach().clone()
        self.b = layer.lora_B["default"].weight.detach().clone()
        self.gate = torch.nn.Linear(self.a.shape[1], 1)
        torch.nn.init.zeros_(self.gate.weight)
        torch.nn.init.zeros_(self.gate.bias)

    def hook(self, layer: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        """``output`` is W x + own(x), the layer's as it stands."""
        x = inputs[0]
        scale = layer.scaling["default"]
        own = layer.lora_B["default"](layer.lora_A["default"](x)) * scale
        frozen = (x @ self.a.T @ self.b.T) * scale
        mixed_output: torch.Tensor = output + (1.0 - torch.sigmoid(self.gate(x))) * (frozen - own)
        return mixed_output


@contextmanager
def mixed(consortium: Consortium, seed: int) -> Iterator[torch.nn.ModuleDict]:
    """The shared model with a mixer at every adapted layer, whose frozen part is the global adapter."""
    adapted = consortium.learners[0].adapted
    write_vector(adapted.model, adapted.layout, consortium.start)
    torch.manual_seed(seed)
    mixers = torch.nn.ModuleDict()
    handles = []
    for name, layer in lora_layers(adapted.model):
        mixer = Mixer(layer)
        mixers[name.replace(".", "/")] = mixer
        handles.append(layer.register_forward_hook(mixer.hook))
    adapted.model.fedalt_mixers = mixers  # so that the optimiser finds the gates
    try:
        yield mixers
    finally:
        for handle in handles:
            handle.remove()
        del adapted.model.fedalt_mixers


def mixed_measure(consortium: Consortium, number: int, site: int) -> Table:
    """The table of hospital ``number``'s own factors with their mixer at ``site``; trained on all of its notes."""
    name = f"fedalt-{number}"
    kept = consortium.folder / f"{name}.pt"
    with mixed(consortium, consortium.seed) as mixers:
        learner, given = consortium.learners[number], consortium.given(number)
        if not kept.exists():
            schedule = replace(learner.schedule, versions=1, local_steps=given.steps)
            own = learner.fit(learner.initial(), given.steps, schedule, 0, given.seed).vector
            torch.save({"own": torch.from_numpy(np.array(own)), "mixers": mixers.state_dict()}, kept)
        found = torch.load(kept, weights_only=True)
        mixers.load_state_dict(found["mixers"])
        return consortium.table(name, lambda: found["own"].numpy(), site)
