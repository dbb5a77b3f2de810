"""``model.json`` -> an ordinary Hugging Face folder in the cache, made once and checked every time.

Several processes may come at once (a simulation starts one per CPU): the folder is made under a temporary name and
renamed, and only a process that holds the lock makes or repairs it. A manifest of file digests tells a sound copy from
one that a full disk or a hand has spoilt.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from safetensors.torch import save_file

from crossward.adapters.cache import cache_folder
from crossward.adapters.embedded.pack import FORMAT, content_digest
from crossward.adapters.errors import AdapterError

MODEL_JSON = Path(__file__).with_name("model.json")
MANIFEST = "manifest.json"


def _read(source: Path) -> dict[str, Any]:
    advice = "It ships with the app: install it again, or make it with `python scripts/pretrain.py`."
    try:
        document = json.loads(source.read_text())
    except (OSError, ValueError) as error:
        raise AdapterError(f"the embedded base model cannot be read: {error}. {advice}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise AdapterError(f"the embedded base model {source} is not in format {FORMAT}. {advice}")
    if content_digest(document) != document.get("sha256"):
        raise AdapterError(f"the embedded base model {source} does not match its own sha256. {advice}")
    return document


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sound(folder: Path) -> bool:
    """Whether every file is the one that was written, and none is missing."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return bool(manifest) and all(_digest(folder / name) == sha for name, sha in manifest.items())
    except (OSError, ValueError, AttributeError):
        return False


def _tensor(name: str, entry: dict[str, Any]) -> torch.Tensor:
    try:
        raw = np.frombuffer(base64.b64decode("".join(entry["data"]), validate=True), dtype="<i2")
        return torch.from_numpy(raw.astype(np.int16)).view(torch.bfloat16).reshape(entry["shape"]).clone()
    except (KeyError, TypeError, RuntimeError, ValueError, binascii.Error) as error:
        raise AdapterError(f"the embedded base model's tensor {name} cannot be decoded: {error}") from error


def _write(document: dict[str, Any], folder: Path) -> None:
    for name, content in document["files"].items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False))
    weights = {name: _tensor(name, entry) for name, entry in document["weights"].items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    manifest = {path.name: _digest(path) for path in sorted(folder.iterdir())}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def unpack_model(source: Path = MODEL_JSON) -> Path:
    """The folder ``cache/models/<sha256>`` of CROSSWARD_HOME, unpacked from ``source`` if it is absent or spoilt.

    Raises
    ------
    AdapterError
        when ``source`` is unreadable or altered, or the cache cannot be written.
    """
    document = _read(source)
    models = cache_folder("models")
    folder = models / str(document["sha256"])
    if _sound(folder):
        return folder
    try:
        with FileLock(models / f".{folder.name}.lock"):
            if _sound(folder):  # another process was faster
                return folder
            fresh = Path(tempfile.mkdtemp(prefix=".unpack-", dir=models))
            try:
                _write(document, fresh)
                fresh.chmod(0o755)
                if folder.exists():
                    shutil.rmtree(folder)
                fresh.rename(folder)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise AdapterError(
            f"the embedded base model cannot be unpacked to {folder}: {error}. Set CROSSWARD_HOME to a writable folder."
        ) from error
    return folder
