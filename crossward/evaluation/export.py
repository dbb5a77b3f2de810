"""An adapter of a run as a PEFT folder: weights, tokenizer, model card, and the settings to train it further.

Not for: measuring it (``crossward.evaluation.report``).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client_app.training.learner import AdaptedModel, adapted_model
from crossward.adapters import AdapterError, save_adapter, write_vector
from crossward.adapters.files import CONFIG
from crossward.config.run_config import RunConfig
from crossward.evaluation.model_card import MARK, Subject, model_card
from crossward.evaluation.node_state import folder_named, kept
from crossward.evaluation.opening import consortium_key, vault_of
from crossward.evaluation.replay import EvaluationError, Run, consortium_of, global_vector
from crossward.machine.files import write_atomic
from crossward.machine.paths import looks_like_path
from crossward.report.joining.figures import GLOBAL, Joining

CARD, SETTINGS = "README.md", "crossward.json"


def write_folder(
    adapted: AdaptedModel,
    vector: NDArray[np.float32],
    folder: Path,
    subject: Subject,
    joinings: Sequence[Joining] | None = None,
) -> None:
    """Write the adapter ``vector``, float32 [total], into ``folder``, with tokenizer, settings and model card.

    ``subject`` and ``joinings`` are what the card says, see :func:`crossward.evaluation.model_card.model_card`.

    Raises
    ------
    AdapterError
        the folder holds something that was not written here, or cannot be written.
    """
    check_free(folder)
    card, settings = model_card(subject, joinings), settings_of(subject.config, subject.lineage, subject.version)
    write_vector(adapted.model, adapted.layout, vector)
    save_adapter(adapted.model, folder, adapted.layout)
    try:
        with tempfile.TemporaryDirectory() as drafts:
            adapted.base.tokenizer.save_pretrained(drafts)
            for draft in sorted(Path(drafts).rglob("*")):
                if draft.is_file():
                    target = folder / draft.relative_to(drafts)
                    target.parent.mkdir(exist_ok=True)
                    write_atomic(target, draft.read_bytes())
        write_atomic(folder / SETTINGS, settings)
        write_atomic(folder / CARD, card)
    except OSError as error:
        raise AdapterError(f"the adapter cannot be saved to {folder}: {error}") from error


def check_free(folder: Path) -> None:
    """Refuse a folder that holds anything but an adapter of ours: its README or tokenizer would be replaced."""
    card = folder / CARD
    ours = not card.exists() or MARK in card.read_text(encoding="utf-8", errors="replace")
    if folder.is_dir() and any(folder.iterdir()) and not ((folder / CONFIG).exists() and ours):
        raise AdapterError(f"{folder} holds files that this program did not write: name another folder")


def settings_of(config: RunConfig, lineage: str, version: int) -> str:
    """What ``crossward personalise`` needs of the run beside the adapter, as JSON; without paths of this machine."""
    kept_keys = {
        key: value for key, value in config.by_key().items() if not (isinstance(value, str) and looks_like_path(value))
    }
    return json.dumps({"lineage": lineage, "version": version, "config": kept_keys}, indent=2) + "\n"


def export(
    run: Run,
    out: Path,
    key: Path | None,
    passphrase: Path | None,
    version: int | None,
    roster: Path | None = None,
    which: str = GLOBAL,
    site: str = "",
) -> Path:
    """Write an adapter of a run into ``out``; reads no note.

    The global one of ``version`` (default: the last), for which ``roster`` is as in
    :func:`crossward.evaluation.replay.consortium_of`; or what hospital ``site`` keeps of its own, ALONE or PERSONAL,
    from its state on this machine, which takes no key.

    Raises
    ------
    EvaluationError
        the run, the version or the adapter does not exist, or key and roster do not open it.
    KeyFileError
        the key file cannot be used.
    """
    if which != GLOBAL:
        return _export_own(run, out, which, site)
    opens = consortium_key(run, key, passphrase)
    checks = consortium_of(run, roster)
    adapted = adapted_model(run.config.model, run.config.lora, run.config.run.seed)
    layout = adapted.layout
    sizes = tuple(block.size for block in layout.blocks)
    vault = vault_of(run, opens, adapted)
    vector = global_vector(run, adapted.initial, layout.fingerprint, sizes, version, vault, checks, layout.shapes)
    number = version or run.state.version
    write_folder(adapted, vector, out, Subject.of(run, adapted.base, number))
    return out


def _export_own(run: Run, out: Path, which: str, site: str) -> Path:
    folder = folder_named(run, site)
    adapted = adapted_model(run.config.model, run.config.lora, run.config.run.seed)
    vector = kept(folder, which, adapted.initial.size)
    if vector is None:
        raise EvaluationError(
            f"{folder} holds no {which} adapter of this run: it is made when the run ends; `crossward personalise` "
            "makes a personal one later"
        )
    version = run.state.version
    write_folder(adapted, vector, out, Subject.of(run, adapted.base, version, which, site or "this hospital"))
    return out
