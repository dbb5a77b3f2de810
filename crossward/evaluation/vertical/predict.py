"""Predictions of a finished vertical run's models, one row a patient, at the party that has the model.

- ``joint``: the label holder's, from its own features and the embeddings that the others sent in the run. Patients
  whom a party does not have, and all where it has left (``without``), are predicted without it.
- ``distilled``: a party's own, from its features alone, for any patients.
- ``alone``: the label holder's own model, for comparison.

Not for: how well they predict (``crossward.evaluation.vertical.report``).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client_app.vertical import models
from client_app.vertical.actions.training import kept_blocks
from client_app.vertical.errors import PartyError
from client_app.vertical.learning.arrays import LearningError
from client_app.vertical.learning.blocks import Blocks
from client_app.vertical.party import DESCRIBED
from client_app.vertical.simulated import load_simulated
from crossward.config.run_config import RunConfig
from crossward.evaluation.replay import EvaluationError
from crossward.evaluation.vertical.opened import PartyFolder, is_vertical, open_vertical
from crossward.machine.files import write_atomic
from data.party import PartyData
from data.party.reading import load_party

JOINT, DISTILLED, ALONE = "joint", "distilled", "alone"
KINDS = (JOINT, DISTILLED, ALONE)
_MODELS = {JOINT: models.JOINT, DISTILLED: models.STUDENT, ALONE: models.ALONE}


@dataclass(frozen=True)
class Opened:
    """A party's folder of a run, with what it says of the run."""

    owner: PartyFolder
    others: tuple[str, ...]
    is_holder: bool


@dataclass(frozen=True)
class Predicted:
    """Probabilities of the outcome float64 [patients], and how many other parties' features each is from."""

    patients: tuple[str, ...]
    probabilities: NDArray[np.float64]
    others: NDArray[np.int64]


def open_folder(folder: Path, party: str, party_path: Path | None, state: Path | None) -> Opened:
    """A party's folder: ``folder`` itself, or that of ``party`` of the simulated run in ``folder``.

    ``party_path`` is the party.toml of the patients to predict for; without it those of the run.

    Raises
    ------
    EvaluationError
        there is no such party, folder or model, or the patients are not known.
    """
    if is_vertical(folder):
        run = open_vertical(folder, state)
        found = {one.name: one.folder for one in run.simulated()}
        if party not in found:
            raise EvaluationError(f"--party {party!r}: the parties of {folder} are {', '.join(found)}")
        folder = found[party]
    elif party:
        raise EvaluationError(f"--party is for a run folder of a simulation; {folder} is a party's own: leave it out")
    try:
        facts = json.loads((folder / DESCRIBED).read_text("utf-8"))
        config, name, holder = RunConfig.stored(facts["config"]), str(facts["party"]), str(facts["holder"])
        others = tuple(str(one) for one in facts["parties"] if one != holder)
        simulated, features = facts["simulated"], tuple(map(str, facts["features"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{folder} is neither a vertical run's folder nor a party's state of one ({type(error).__name__}): give "
            "the run folder of a simulation with --party NAME, or state-dir/LINEAGE of a party"
        ) from error
    if party_path is not None:
        data = _in_order(load_party(party_path), features)
    elif simulated is not None:
        data = load_simulated(config, int(simulated[0]), int(simulated[1]))
    else:
        raise EvaluationError("name the party.toml of the patients to predict for with --party-path")
    return Opened(PartyFolder(name, config, folder, data), others, name == holder)


def _in_order(data: PartyData, features: tuple[str, ...]) -> PartyData:
    """Patients with the features that the models know, in their order: NaN where a table lacks one, others left out.

    Raises
    ------
    EvaluationError
        the table has none of them.
    """
    if data.values is None or data.names == features:
        return data
    at = {name: column for column, name in enumerate(data.names)}
    if not any(name in at for name in features):
        raise EvaluationError(
            f"the table has none of the {len(features)} features that this party's models know, such as "
            f"{features[0]!r}: name the same columns or items in the party.toml as in the run"
        )
    columns = [data.values[:, at[name]] if name in at else np.full(len(data.patients), np.nan) for name in features]
    return PartyData(data.patients, np.stack(columns, 1), features, data.notes, data.outcome)


def predict(opened: Opened, kind: str, without: Sequence[str] = ()) -> Predicted:
    """Predictions of the model ``kind`` for all patients of the party.

    Raises
    ------
    EvaluationError
        the party has no such model, or the patients are not those of the run.
    """
    owner, patients = opened.owner, len(opened.owner.data.patients)
    if kind == JOINT and not opened.is_holder:
        raise EvaluationError(
            f"{owner.name} is not the label holder, which has the joint model: use --model {DISTILLED}"
        )
    if not models.has(owner, _MODELS[kind]):
        raise EvaluationError(
            f"{owner.name} has no {kind} model of this run in {owner.folder}: the run ended before it was made, or "
            "vertical.distil was false"
        )
    if unknown := sorted(set(without) - set(opened.others)):
        raise EvaluationError(f"--without {', '.join(unknown)}: the other parties are {', '.join(opened.others)}")
    try:
        blocks = _blocks(opened, without) if kind == JOINT else Blocks.scatter(patients, [])
        model = models.joint(owner, blocks.widths) if kind == JOINT else models.alone(owner, _MODELS[kind])
        rows = np.arange(patients, dtype=np.int64)
        return Predicted(owner.data.patients, model.predict(blocks, rows), blocks.present.sum(axis=1).astype(np.int64))
    except (LearningError, PartyError) as error:
        raise EvaluationError(f"{owner.folder}: {error}") from error


def _blocks(opened: Opened, without: Sequence[str]) -> Blocks:
    data = opened.owner.folder / "data.sha256"
    if data.read_text().strip() != opened.owner.data.digest:
        raise EvaluationError(
            "the joint model predicts for the patients of the run, whose embeddings it has: their data have changed "
            f"since, or --party-path names others. For new patients use --model {DISTILLED}"
        )
    blocks = kept_blocks(opened.owner, opened.others)
    for name in without:
        blocks = blocks.without(opened.others.index(name))
    return blocks


def write(predicted: Predicted, path: Path) -> None:
    """Write predictions as CSV, readable by this user alone: it names patients.

    Raises
    ------
    EvaluationError
        the file cannot be written.
    """
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow(["patient", "probability", "other_parties"])
    for patient, probability, others in zip(predicted.patients, predicted.probabilities, predicted.others, strict=True):
        rows.writerow([patient, f"{probability:.4f}", others])
    try:
        write_atomic(path, buffer.getvalue(), private=True)
    except OSError as error:
        why = error.strerror or error
        raise EvaluationError(f"--out {path} cannot be written ({why}): name a file in a folder of yours") from error
