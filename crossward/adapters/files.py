"""The one door for adapter files: an ordinary PEFT folder, written whole and read with suspicion.

What `save_adapter` writes, ``peft.PeftModel.from_pretrained`` and every tool that loads PEFT adapters reads. Only
safetensors, never a pickle.

Not for: checkpoints of training (optimiser state, error feedback).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from peft import PeftModel, get_peft_model_state_dict

from crossward.adapters.core import lora_layers, plain_factors, recover_core
from crossward.adapters.errors import AdapterError
from crossward.adapters.layout import Layout
from crossward.adapters.lora import factor_parameters
from crossward.adapters.vector import write_vector
from crossward.machine.files import write_atomic

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
LAYOUT_KEY = "crossward_layout"
PREFIX = "base_model.model."
MUST_AGREE = ("peft_type", "r", "lora_alpha", "bias", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern")


def _config(peft_model: PeftModel) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for key, value in peft_model.peft_config["default"].to_dict().items():
        plain = sorted(value) if isinstance(value, set) else value
        config[key] = getattr(plain, "value", plain)
    config["inference_mode"] = True
    return config


def _canonical(data: bytes) -> bytes:
    """The same file with its header's keys in order: safetensors writes metadata in another order every time."""
    size = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def save_adapter(peft_model: PeftModel, folder: Path, layout: Layout) -> None:
    """Write ``adapter_model.safetensors`` (A and B, frozen or not, float32) and ``adapter_config.json``.

    Of a core model A is A0 and B is B0 R: an ordinary adapter, with nothing of ours needed to load it.

    The same values give the same bytes. Each file is replaced atomically, the weights last. Raises AdapterError when
    the layout is not the model's, a value is not finite, or the folder cannot be written or holds an adapter that was
    not made here.
    """
    names = {name for name, _ in factor_parameters(peft_model)}
    absent = [block.name for block in layout.blocks if block.name not in names]
    if absent:
        raise AdapterError(f"the layout's block {absent[0]} is not in the model: the layout belongs to another one.")
    if _is_core(peft_model):
        state = {f"{PREFIX}{name}": value for name, value in plain_factors(peft_model).items()}
    else:
        state = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
    tensors = {key: value.detach().to("cpu", torch.float32).contiguous() for key, value in state.items()}
    for key, value in tensors.items():
        if not torch.isfinite(value).all():
            raise AdapterError(f"{key} holds values that are not finite: training diverged? Nothing was saved.")
    metadata = {"format": "pt", LAYOUT_KEY: layout.fingerprint}
    config = json.dumps(_config(peft_model), indent=2, sort_keys=True)
    _check_ours(Path(folder), config)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_atomic(Path(folder) / CONFIG, config.encode())
        write_atomic(Path(folder) / WEIGHTS, _canonical(safetensors.torch.save(tensors, metadata=metadata)))
    except OSError as error:
        raise AdapterError(f"the adapter cannot be saved to {folder}: {error}") from error


def _check_ours(folder: Path, config: str) -> None:
    """Refuse to replace an adapter of somebody else's."""
    weights = folder / WEIGHTS
    try:
        if weights.exists():
            with safetensors.safe_open(weights, framework="pt", device="cpu") as file:
                ours = LAYOUT_KEY in (file.metadata() or {})
        else:  # the configuration is written first: what an interruption left is what is written now
            ours = not (folder / CONFIG).exists() or (folder / CONFIG).read_text() == config
    except (OSError, ValueError, safetensors.SafetensorError):
        ours = False
    if not ours:
        raise AdapterError(f"{folder} holds an adapter that this program did not write: name another folder")


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor], str | None]:
    try:
        config = json.loads((folder / CONFIG).read_text())
        with safetensors.safe_open(folder / WEIGHTS, framework="pt", device="cpu") as file:
            fingerprint = (file.metadata() or {}).get(LAYOUT_KEY)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise AdapterError(f"the adapter in {folder} cannot be read: {type(error).__name__}: {error}") from error
    if not isinstance(config, dict):
        raise AdapterError(f"{folder / CONFIG} is no JSON object.")
    return config, tensors, fingerprint


def _is_core(peft_model: PeftModel) -> bool:
    return any(".lora_core." in name for name, _ in factor_parameters(peft_model))


def _cores(peft_model: PeftModel, tensors: dict[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """Key of the core -> R [r, r] of every layer, from the B = B0 R that a PEFT folder holds."""
    out = {}
    for name, layer in lora_layers(peft_model):
        key = f"{PREFIX}{name}.lora_B.weight"
        out[f"{PREFIX}{name}.lora_core.weight"] = recover_core(
            tensors[key], layer.lora_B["default"].base, f"{path}: {key}"
        )
    return out


def load_adapter(peft_model: PeftModel, folder: Path, layout: Layout) -> None:
    """Copy the factors saved in ``folder`` into ``peft_model``, in place; all of them or, on an error, none.

    A folder of ours must carry this layout's fingerprint. One from elsewhere must have the same kind of adapter,
    exactly the model's keys and shapes, and the same frozen factors. For a core model A must be A0, and R is recovered
    from B = B0 R to float32's rounding (the folder does not hold R itself); a B that is no B0 R is refused.

    Raises
    ------
    AdapterError
        naming the file and the first key, field or value that is wrong.
    """
    folder = Path(folder)
    config, tensors, fingerprint = _read(folder)
    if fingerprint is not None and fingerprint != layout.fingerprint:
        raise AdapterError(
            f"the adapter in {folder} has layout {fingerprint[:12]}, expected {layout.fingerprint[:12]}: it was made "
            "with another base model, tokenizer, seed or lora settings."
        )
    expected = _config(peft_model)
    for field in MUST_AGREE:
        if field in config and config[field] != expected.get(field):
            raise AdapterError(
                f"{folder / CONFIG}: {field} is {config[field]!r}, the lora settings make it {expected.get(field)!r}."
            )
    core = _is_core(peft_model)
    wanted: dict[str, torch.Tensor] = {
        f"{PREFIX}{name}": value.detach()
        for name, value in (plain_factors(peft_model).items() if core else factor_parameters(peft_model))
    }
    missing, unexpected = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or unexpected:
        raise AdapterError(
            f"{folder / WEIGHTS} lacks {len(missing)} keys and has {len(unexpected)} unexpected ones, first "
            f"{(missing + unexpected)[0]}: it belongs to another model or other target modules."
        )
    if core:
        frozen = {key for key in wanted if ".lora_A." in key}
    else:
        frozen = wanted.keys() - {f"{PREFIX}{block.name}" for block in layout.blocks}
    for key, here in wanted.items():
        value = tensors[key]
        if value.shape != here.shape or not value.is_floating_point():
            raise AdapterError(
                f"{folder / WEIGHTS}: {key} is {value.dtype} {list(value.shape)}, not {list(here.shape)} floats."
            )
        if key in frozen and not torch.equal(value.float(), here.float().cpu()):
            origin = "made from other bases" if core else "drawn from another seed"
            raise AdapterError(f"{folder / WEIGHTS}: the frozen factor {key} is not this model's: it was {origin}.")
    if core:
        tensors = _cores(peft_model, tensors, folder / WEIGHTS)
    blocks = [tensors[f"{PREFIX}{block.name}"].float().reshape(-1) for block in layout.blocks]
    write_vector(peft_model, layout, torch.cat(blocks).numpy())
