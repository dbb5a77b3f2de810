"""What a base model *is*, as sha256: its configuration and weights, and its tokenizer.

Weights are hashed tensor by tensor in name order, so that neither the sharding of the files nor where they lie
matters: a hub download and a hospital's mirror of it agree. Device, precision and quantisation at loading are no
part of it.

Not for: authenticity. Whoever can change the files can change the digest; it shows whether nodes agree.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from crossward.adapters.cache import cache_folder
from crossward.adapters.errors import AdapterError, LocalFilesError
from crossward.machine.files import write_atomic

VOLATILE = ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "use_cache")
VOCABULARIES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "merges.txt", "vocab.txt")
CHUNK = 1 << 24


def weight_files(folder: Path) -> list[Path]:
    """The weight files that transformers would load from ``folder``; empty when there are none."""
    for single, index in (
        ("model.safetensors", "model.safetensors.index.json"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json"),
    ):
        if (folder / single).is_file():
            return [folder / single]
        if (folder / index).is_file():
            names = json.loads((folder / index).read_text())["weight_map"].values()
            return [folder / name for name in sorted(set(names))]
    return []


def _tensors(path: Path) -> Iterator[tuple[str, str, Path, int, int]]:
    """(name, description, file, first byte, end) of each tensor of a safetensors file, from its header."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    for name, entry in header.items():
        if name != "__metadata__":
            first, end = entry["data_offsets"]
            yield name, f"{name}|{entry['dtype']}|{entry['shape']}", path, 8 + length + first, 8 + length + end


def _hash_safetensors(files: list[Path], sha: Any) -> None:
    for _, text, path, first, end in sorted(t for file in files for t in _tensors(file)):
        sha.update(text.encode())
        if first == end:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            if end > len(view):
                raise LocalFilesError(f"{path} is cut off: fetch or copy it again.")
            for at in range(first, end, CHUNK):
                sha.update(view[at : min(at + CHUNK, end)])


def _hash_state(model: torch.nn.Module, sha: Any) -> None:
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, torch.Tensor):
            sha.update(f"{name}|{value.dtype}|{list(value.shape)}".encode())
            sha.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())


def _canonical(path: Path, *without: str) -> bytes:
    content = json.loads(path.read_text())
    return json.dumps({k: v for k, v in content.items() if k not in without}, sort_keys=True).encode()


def base_digest(folder: Path, model: torch.nn.Module) -> str:
    """sha256 hex over the configuration and weights in ``folder`` (the loaded state where it has no safetensors).

    Streams the files; the result is cached in CROSSWARD_HOME by path, size and time of change. Raises AdapterError for
    a file that is no safetensors file.
    """
    files = weight_files(folder)
    if not files or any(file.suffix != ".safetensors" for file in files):
        sha = hashlib.sha256(_canonical(folder / "config.json", *VOLATILE))
        _hash_state(model, sha)
        return sha.hexdigest()
    stats = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in [folder / "config.json", *files]]
    key = hashlib.sha256(json.dumps(["digest-1", stats]).encode()).hexdigest()
    with contextlib.suppress(AdapterError, OSError, ValueError):
        known = (cache_folder("digests") / key).read_text()
        if len(known) == 64:
            return known
    sha = hashlib.sha256(_canonical(folder / "config.json", *VOLATILE))
    try:
        _hash_safetensors(files, sha)
    except (struct.error, KeyError, ValueError) as error:
        if isinstance(error, AdapterError):
            raise
        raise LocalFilesError(f"the weights in {folder} are not sound safetensors files: {error!r}.") from error
    with contextlib.suppress(AdapterError, OSError):  # a cache that cannot be written costs time, not correctness
        write_atomic(cache_folder("digests") / key, sha.hexdigest().encode())
    return sha.hexdigest()


def tokenizer_digest(folder: Path, tokenizer: Any) -> str:
    """sha256 hex over the tokenizer's files (whatever their formatting) and its special token ids."""
    sha = hashlib.sha256()
    if (folder / "tokenizer.json").is_file():
        sha.update(_canonical(folder / "tokenizer.json", "padding", "truncation"))
    else:
        present = [name for name in VOCABULARIES if (folder / name).is_file()]
        for name in present:
            sha.update(name.encode() + (folder / name).read_bytes())
        if not present:
            sha.update(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    ids = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id]
    sha.update(json.dumps(ids).encode())
    return sha.hexdigest()
