"""From ``model.name`` to a folder on this machine: embedded, local folder, hub cache, hub, in this order.

What lies on this machine comes first, so that an air-gapped node starts without waiting for a network.

Not for: loading, and not for remote code: models that need ``trust_remote_code`` are not supported.
"""

from __future__ import annotations

import re
from pathlib import Path

from crossward.adapters.digests import weight_files
from crossward.adapters.embedded import unpack_model
from crossward.adapters.errors import AdapterError, LocalFilesError
from crossward.config.model_settings import EMBEDDED, ModelConfig
from crossward.machine.paths import absolute
from crossward.machine.text import one_line

TEXT = ["*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken"]
ELSEWHERE = ["original/*", "onnx/*", "consolidated*", "*.gguf", "*/*"]
NETWORK_SECONDS = 10.0


def _complete(folder: Path) -> bool:
    try:
        files = weight_files(folder)
    except (OSError, ValueError, KeyError):
        return False
    return (folder / "config.json").is_file() and bool(files) and all(file.is_file() for file in files)


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error, 200)}"


def _from_hub(config: ModelConfig, tried: list[str]) -> Path | None:
    import huggingface_hub as hub

    revision = config.revision or None
    try:
        cached = Path(hub.snapshot_download(config.name, revision=revision, local_files_only=True))
        if _complete(cached):
            return cached
        tried.append(f"hub cache: the copy in {cached} is incomplete")
    except Exception as error:  # whatever the hub's client raises, the next place is tried and the error reported
        tried.append(f"hub cache: {_short(error)}")
    try:
        info = hub.HfApi().model_info(config.name, revision=revision, timeout=NETWORK_SECONDS)
        names = [sibling.rfilename for sibling in info.siblings or []]
        safe = any(re.fullmatch(r"model[^/]*\.safetensors", name) for name in names)
        weights = ["model*.safetensors"] if safe else ["pytorch_model*.bin"]
        fetched = Path(
            hub.snapshot_download(
                config.name, revision=revision, allow_patterns=TEXT + weights, ignore_patterns=ELSEWHERE
            )
        )
        if _complete(fetched):
            return fetched
        tried.append(f"hub: {config.name} has no config.json with safetensors or PyTorch weights")
    except Exception as error:  # as above: gated, absent, offline and unreachable all end in one report
        tried.append(f"hub: {_short(error)}")
    return None


def find_model(config: ModelConfig) -> tuple[Path, str]:
    """The folder that holds the model, and the name under which others find it (a hub id, or that folder).

    Raises
    ------
    AdapterError
        once, naming every place that was tried and what was wrong there.
    """
    try:
        local = absolute(config.name, "model.name")
        folder = local.is_dir()
        complete = folder and _complete(local)
    except (OSError, ValueError) as error:  # no such user, no right to look, no path at all
        raise LocalFilesError(f"model.name = {config.name!r} cannot be searched for: {error}") from error
    if config.revision and (config.name == EMBEDDED or folder):
        raise (AdapterError if config.name == EMBEDDED else LocalFilesError)(
            f"model.revision = {config.revision!r}: {config.name!r} is no hub model and has no revisions; "
            "leave it empty."
        )
    if config.name == EMBEDDED:
        unpacked = unpack_model()
        return unpacked, str(unpacked)
    tried = [f"embedded: only the name {EMBEDDED!r} means the model that ships with the app"]
    if folder:
        if complete:
            return local, str(local)
        tried.append(f"local folder: {local} has no config.json with all its safetensors or PyTorch weights")
    else:
        tried.append(f"local folder: {local} does not exist")
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", config.name):
            found = _from_hub(config, tried)
            if found is not None:
                return found, config.name
        else:
            tried.append("hub: the name is not of the form 'organisation/model'")
    report = "".join(f"\n  - {line}" for line in tried)
    raise LocalFilesError(
        f"model.name = {config.name!r} (revision {config.revision or 'main'!r}) was not found. Tried:{report}\n"
        "Copy the model to a folder on this machine and give its absolute path, fetch it beforehand with "
        f"`hf download {config.name}`, or set model.name to {EMBEDDED!r}."
    )
