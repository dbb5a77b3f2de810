"""Which weights of a base model get LoRA factors: from ``lora.target-modules`` to names, and to a line for the log.

A weight is that of a linear layer, or a mixture's experts as one parameter [experts, ..., ...], as transformers 5 holds
them (``mlp.experts.gate_up_proj``: gate and up of all experts). PEFT adapts the latter with a pair of factors for each
expert inside two matrices, A [experts * r, in] and B [out, r * experts], as ``target_parameters``. Its own 'all-linear'
is not used where it would mean something else: for some mixtures it adapts routers, doubles the rank and leaves out
shared experts, for others it passes over the experts.

Not for: factors (``crossward.adapters.lora``).
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig
from transformers.pytorch_utils import Conv1D

from crossward.adapters.core import PREFIX, lora_layers
from crossward.adapters.errors import AdapterError
from crossward.config.model_settings import ALL_LINEAR

_PLAIN = (torch.nn.Linear.forward, Conv1D.forward)


@dataclass(frozen=True)
class Targets:
    """Names of linear layers, and of weights to adapt as parameters; ``exact`` if PEFT has to be given them.

    ``apart`` is a value of ``lora.target-modules`` that names no parameter, for where those do not do.
    """

    modules: tuple[str, ...]
    parameters: tuple[str, ...]
    exact: bool
    apart: str

    @property
    def weights(self) -> set[str]:
        """The names of all weights."""
        return {f"{name}.weight" for name in self.modules} | set(self.parameters)


def _is_linear(module: torch.nn.Module) -> bool:
    """A linear layer and no more: some routers derive from one, and return other things."""
    if not isinstance(module, torch.nn.Linear | Conv1D):
        return False
    kind = type(module)
    return kind.forward in _PLAIN or kind.__module__.startswith("bitsandbytes.")


def _expert_weights(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Name -> weight [experts, ..., ...] of every module that holds all experts of a mixture."""
    return {
        f"{name}.{own}": parameter
        for name, module in model.named_modules()
        for own, parameter in module.named_parameters(recurse=False)
        if parameter.ndim == 3 and parameter.shape[0] == getattr(module, "num_experts", None)
    }


def _converted(model: Any, names: Iterable[str]) -> set[str]:
    """Of linear layers, those whose last name PEFT takes for one that experts had before they were one parameter."""
    try:
        conversion = importlib.import_module("peft.utils.transformers_weight_conversion")
        convert = conversion.convert_peft_config_for_transformers
    except (ImportError, AttributeError):  # a PEFT that converts nothing
        return set()
    taken = {}
    for leaf in {name.rpartition(".")[2] for name in names}:
        config = LoraConfig(target_modules=[leaf])
        try:
            convert(config, model=model, conversions=None)
            taken[leaf] = leaf not in (config.target_modules or ())
        except ValueError:  # it is one of two that were joined
            taken[leaf] = True
    return {name for name in names if taken[name.rpartition(".")[2]]}


def _matches(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def find_targets(model: Any, targets: tuple[str, ...]) -> Targets:
    """The weights of ``model`` that ``lora.target-modules`` names.

    Raises
    ------
    AdapterError
        a name is of nothing, or of something that cannot be adapted; the text lists the names that can.
    """
    head = model.get_output_embeddings()
    modules = dict(model.named_modules())
    linear = [name for name, module in modules.items() if _is_linear(module)]
    other = [n for n, m in modules.items() if isinstance(m, torch.nn.Linear | Conv1D) and not _is_linear(m)]
    experts = _expert_weights(model)
    if targets == (ALL_LINEAR,):
        chosen, parameters = [name for name in linear if modules[name] is not head], list(experts)
    else:
        for target in targets:
            _check(target, modules, linear, experts)
        chosen = [name for name in linear if any(_matches(name, target) for target in targets)]
        parameters = [name for name in experts if any(_matches(name, target) for target in targets)]
    converted = _converted(model, chosen)
    for name in sorted(converted):
        if not modules[name].weight.is_floating_point():
            raise AdapterError(
                f"lora.target-modules takes in {name}, which PEFT can adapt in this kind of mixture of experts as a "
                "parameter alone, but not in 8 or 4 bits. Set model.quantization to 'none', or lora.target-modules to "
                f"others, such as {_apart(model, linear, experts)!r}."
            )
    parameters = [*(f"{name}.weight" for name in chosen if name in converted), *parameters]
    return Targets(
        tuple(name for name in chosen if name not in converted),
        tuple(parameters),
        bool(experts or converted or other),
        _apart(model, linear, experts) if parameters else "",
    )


def refuse_parameters(targets: Targets, what: str) -> None:
    """Raise AdapterError where a weight has to be adapted as a parameter, which ``what`` cannot do."""
    if targets.parameters:
        raise AdapterError(
            f"{what}: lora.target-modules takes in {targets.parameters[0]}, which is adapted as a parameter, as a "
            "mixture's experts are. Name linear layers alone, which here are lora.target-modules = "
            f"{targets.apart!r}."
        )


def _check(target: str, modules: dict[str, Any], linear: list[str], experts: Iterable[str]) -> None:
    known = {*linear, *experts}
    matches = [name for name in (*modules, *experts) if _matches(name, target)]
    wrong = [name for name in matches if name not in known]
    if matches and not wrong:
        return
    what = f"{wrong[0]} is no linear layer" if wrong else "the model has no such module"
    also = f", its experts' weights {', '.join(sorted(_short(experts)))}" if experts else ""
    raise AdapterError(
        f"lora.target-modules: {target!r}: {what}. Its linear layers are "
        f"{', '.join(sorted({name.rpartition('.')[2] for name in linear}))}{also}; {ALL_LINEAR!r} takes all but the "
        "output head."
    )


def _apart(model: Any, linear: list[str], experts: Iterable[str]) -> str:
    """A value of ``lora.target-modules`` that takes in what has factors of its own module alone, as far as it goes."""
    head = model.get_output_embeddings()
    modules = dict(model.named_modules())
    apart = {name for name in linear if modules[name] is not head} - _converted(model, linear)
    everything = [*modules, *experts]
    verdicts: dict[str, bool] = {}

    def fits(suffix: str) -> bool:
        if suffix not in verdicts:
            verdicts[suffix] = all(name in apart for name in everything if _matches(name, suffix))
        return verdicts[suffix]

    found = set()
    for name in apart:
        parts = name.split(".")
        suffixes = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        found.add(next((suffix for suffix in suffixes if fits(suffix)), name))
    return ",".join(sorted(found))


def _short(names: Iterable[str]) -> Counter[str]:
    """Names without the number of their layer, and how many there are of each."""
    out: Counter[str] = Counter()
    for name in names:
        within = re.sub(r"^.*?\.\d+\.", "", name)
        out[re.sub(r"(?<=\.)\d+(?=\.)", "*", within).removesuffix(".weight")] += 1
    return out


def adapted_weights(peft_model: Any) -> dict[str, Any]:
    """Name of the base model's weight -> PEFT's layer that holds its factors."""
    return {
        f"{name.replace('.base_layer', '')}.{getattr(layer, 'parameter_name', 'weight')}": layer
        for name, layer in lora_layers(peft_model)
    }


def experts_of(layer: Any) -> int:
    """How many pairs of factors a layer's two matrices hold."""
    return int(getattr(layer, "num_experts", 1))


def described(peft_model: Any) -> str:
    """What has factors and what has none, for a log: names without layer numbers, and how many layers have each."""
    layers = adapted_weights(peft_model)
    values = sum(p.numel() for name, p in peft_model.named_parameters() if ".lora_" in name and p.requires_grad)
    frozen = {
        name.removeprefix(PREFIX).replace(".base_layer", "")
        for name, parameter in peft_model.named_parameters()
        if ".lora_" not in name and parameter.ndim > 1
    } - set(layers)
    counts = _short(layers)
    experts = {next(iter(_short([name]))): experts_of(layer) for name, layer in layers.items()}
    parts = [
        f"{count} x {name}" + (f" ({experts[name]} experts)" if experts[name] > 1 else "")
        for name, count in counts.items()
    ]
    rest = ", ".join(_short(sorted(frozen))) or "nothing"
    return f"factors on {len(layers)} weights, {values:,} trained values: {', '.join(parts)}; without factors: {rest}"
