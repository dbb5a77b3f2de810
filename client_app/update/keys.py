"""Where a node's consortium key comes from.

A simulation makes one key for all of its hospitals, once. A real hospital names its key file in its node config.

Not for: what the key seals (``client_app.update.payloads``).
"""

from __future__ import annotations

import functools
import logging
from pathlib import Path

from crossward.config.encryption_settings import NONE, EncryptionSettings
from crossward.config.node_config import NodeConfig
from crossward.config.run_settings import simulation_keys
from crossward.encryption.key_file import load_key, read_passphrase, simulation_key
from crossward.encryption.key_format import ConsortiumKey, KeyFileError
from crossward.machine.paths import PathError, own_folder

logger = logging.getLogger("crossward.node")


@functools.lru_cache(maxsize=4)
def _load(path: Path, passphrase: Path | None, changed: int) -> ConsortiumKey:
    return load_key(path, read_passphrase(passphrase) if passphrase is not None else None)


def hospital_key(settings: EncryptionSettings, node: NodeConfig) -> ConsortiumKey | None:
    """A real hospital's key; None when the run seals nothing or no key is named.

    Raises
    ------
    KeyFileError
        the file cannot be used; the message says why.
    """
    if settings.policy == NONE or not node.key_path:
        return None
    path = Path(node.key_path)
    changed = path.stat().st_mtime_ns if path.exists() else 0
    return _load(path, Path(node.passphrase_path) if node.passphrase_path else None, changed)


@functools.lru_cache(maxsize=2)
def _simulation(folder: Path, scheme: str) -> ConsortiumKey:
    key, made = simulation_key(folder, scheme)
    if made:
        logger.warning("created the simulation's consortium key %s in %s", key.fingerprint, folder)
    return key


def simulated_key(settings: EncryptionSettings) -> ConsortiumKey | None:
    """The key that all hospitals of this machine's simulations share; None when the run seals nothing.

    Raises
    ------
    KeyFileError
        the folder of the key cannot be made, or it or the file is another user's.
    """
    if settings.policy == NONE:
        return None
    folder = simulation_keys()
    try:
        own_folder(folder.name)
    except PathError as error:
        raise KeyFileError(str(error)) from error
    return _simulation(folder, settings.scheme)
