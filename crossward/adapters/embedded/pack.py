"""A Hugging Face folder -> ``model.json``: configuration, tokenizer and bfloat16 weights as text.

Not for: large models. The whole of it is held in memory; the FAB's limit is 10 MiB.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

FORMAT = "crossward-embedded-1"
TEXT_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
LINE = 2048  # characters of base64 a line: git diffs and editors stay usable


def content_digest(document: dict[str, Any]) -> str:
    """sha256 over everything in ``document`` but its own ``sha256`` field, independent of layout."""
    rest = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def pack_model(folder: Path, target: Path) -> str:
    """Write the model saved in ``folder`` as one JSON file and return its digest.

    Weights are rounded to bfloat16; ties are kept by leaving the tied tensor out, as safetensors does.
    """
    files = {name: json.loads((folder / name).read_text()) for name in TEXT_FILES if (folder / name).exists()}
    weights = {}
    for name, tensor in sorted(load_file(folder / "model.safetensors").items()):
        raw = tensor.to(torch.bfloat16).contiguous().view(torch.int16).numpy().astype("<i2").tobytes()
        text = base64.b64encode(raw).decode()
        weights[name] = {
            "dtype": "bfloat16",
            "shape": list(tensor.shape),
            "data": [text[i : i + LINE] for i in range(0, len(text), LINE)],
        }
    document: dict[str, Any] = {"format": FORMAT, "files": files, "weights": weights}
    document["sha256"] = content_digest(document)
    target.write_text(json.dumps(document, indent=0, ensure_ascii=True) + "\n")
    return str(document["sha256"])
