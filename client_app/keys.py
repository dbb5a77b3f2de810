"""Where a node's consortium key comes from.

A simulation makes one key for all of its hospitals, once. A real hospital names its key file in its node config.

Not for: what the key seals (``client_app.payloads``).
"""

from __future__ import annotations

import functools
import logging
from pathlib import Path

from client_app.settings import NodeSettings
from encryption.key_file import load_key, read_passphrase, simulation_key
from encryption.key_format import ConsortiumKey
from encryption.settings import CKKS, NONE, EncryptionSettings
from protocol.run_settings import simulation_keys
from protocol.settings import SettingsError

logger = logging.getLogger("crossward.node")


@functools.lru_cache(maxsize=4)
def _load(path: Path, passphrase: Path | None, changed: int) -> ConsortiumKey:
    return load_key(path, read_passphrase(passphrase) if passphrase is not None else None)


def hospital_key(settings: EncryptionSettings, node: NodeSettings) -> ConsortiumKey | None:
    """A real hospital's key; None when the run seals nothing or no key is named.

    Raises
    ------
    SettingsError
        the path is not absolute.
    KeyFileError
        the file cannot be used; the message says why.
    """
    if settings.policy == NONE or not node.key_path:
        return None
    path = Path(node.key_path)
    if not path.is_absolute():
        raise SettingsError(f"node config: key-path = {node.key_path!r} is relative: give an absolute path")
    changed = path.stat().st_mtime_ns if path.exists() else 0
    return _load(path, Path(node.passphrase_path) if node.passphrase_path else None, changed)


@functools.lru_cache(maxsize=2)
def _simulation(folder: Path, ckks: bool) -> ConsortiumKey:
    key, made = simulation_key(folder, ckks)
    if made:
        logger.warning("made the simulation's consortium key %s in %s", key.fingerprint, folder)
    return key


def simulated_key(settings: EncryptionSettings) -> ConsortiumKey | None:
    """The key that all hospitals of this machine's simulations share; None when the run seals nothing."""
    if settings.policy == NONE:
        return None
    return _simulation(simulation_keys(), settings.scheme == CKKS)
