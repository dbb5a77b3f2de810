"""What hospitals keep on this machine: which state folder is whose, and the adapters in it.

Not for: the run folder (``crossward.evaluation.replay``).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client_app.state.folder import StateError, StateFolder
from client_app.state.own_adapter import OwnAdapter
from client_app.training.learner import AdaptedModel
from client_app.training.spec import site_name
from crossward.adapters.ranks import Ranks
from crossward.encryption.identity import IdentityError, public_of, read_identity
from crossward.evaluation.opening import layout_of_updates
from crossward.evaluation.replay import EvaluationError, Run
from crossward.report.joining.figures import ALONE, PERSONAL
from data import DataError, load_hospitals

Vector = NDArray[np.float32]
FILES = {ALONE: "own.npy", PERSONAL: "personal.npy"}


def folder_of(run: Run, number: int, hospitals: int) -> Path:
    """The state folder of simulated hospital ``number``; that of a real one where there is no other."""
    root = run.config.run.state_root / run.lineage
    simulated = root / f"site-{number}"
    return root if hospitals == 1 and not simulated.exists() else simulated


def belongs(run: Run, folder: Path, site: str) -> bool:
    """Whether a simulated node's ``folder`` may be hospital ``site``'s: its updates were signed under no other name."""
    if not folder.name.startswith("site-"):
        return True
    return _signed_as(run, run.config.run.state_root / "identities" / f"{folder.name}.pem") in ("", site)


def folder_named(run: Run, site: str) -> Path:
    """The state folder of hospital ``site``: a simulated one by its identity, or the only one that there is.

    Raises
    ------
    EvaluationError
        this machine has no such hospital's state.
    """
    state = run.config.run.state_root
    root = state / run.lineage
    if not root.is_dir():
        raise EvaluationError(
            f"there is no node's state of run {run.lineage} in {state}: adapters trained alone and personal ones stay "
            "where they were trained; run this there, with --state-dir DIR if its state is elsewhere"
        )
    folders = sorted(root.glob("site-*"))
    if not folders:
        return root
    names = dict(zip(_names(run, state, folders), folders, strict=True))
    if site in names:
        return names[site]
    given = f"--site {site} is none of them" if site else "name one with --site NAME"
    raise EvaluationError(f"{root} has the hospitals {', '.join(sorted(names))}: {given}")


def _names(run: Run, state: Path, folders: list[Path]) -> list[str]:
    """The simulated hospitals' names: by their identities, and of those that sent no update by their notes."""
    found = [_signed_as(run, state / "identities" / f"{folder.name}.pem") for folder in folders]
    if not all(found):
        with contextlib.suppress(DataError):
            hospitals = {
                f"site-{i}": site_name(one.name) for i, one in enumerate(load_hospitals(run.config.data, run.nodes))
            }
            found = [name or hospitals.get(folder.name, "") for name, folder in zip(found, folders, strict=True)]
    return [name or folder.name for name, folder in zip(found, folders, strict=True)]


def _signed_as(run: Run, identity: Path) -> str:
    """The name under which updates were signed with ``identity``; empty where none was."""
    try:
        public = public_of(read_identity(identity))
    except IdentityError:
        return ""
    return next((site for key, site in run.state.sites.items() if public.startswith(key)), "")


def kept(folder: Path, which: str, total: int) -> Vector | None:
    """The adapter ALONE or PERSONAL of the node in ``folder``, float32 [total]; None without one."""
    return OwnAdapter(folder / FILES[which], what=f"the {which} adapter").read(total)


def copied(run: Run, folder: Path, adapted: AdaptedModel) -> tuple[Vector, int]:
    """The node's own copy of the global adapter, which takes no key to read, float32 [total], and its version.

    Raises
    ------
    EvaluationError
        the node has none, or it belongs to other settings.
    """
    try:
        state = StateFolder(folder).load(layout_of_updates(run, adapted))
    except StateError as error:
        raise EvaluationError(str(error)) from error
    if not state.copy.version:
        raise EvaluationError(
            f"{folder} holds no copy of this run's global adapter: the node took part in no version, or base model, "
            "tokenizer or LoRA settings differ. Give the consortium's key with --key FILE to open the run's own record"
        )
    ranks = Ranks.of(adapted.layout.shapes, run.config.lora)
    return state.copy.vector(adapted.initial, run.plan, run.config.schedule, ranks), state.copy.version
