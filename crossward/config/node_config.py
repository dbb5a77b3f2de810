"""A hospital's own configuration: its files, its demands on runs, and the run keys that it sets for its own machine.

Not for: the run's settings (``crossward.config.run_config``), or whether a run meets the demands
(``client_app.guard.demands``).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crossward.config.data_sources import OWN, SYNTHETIC
from crossward.config.encryption_settings import ALL, POLICIES
from crossward.config.model_settings import CORE, MOST_RANK
from crossward.config.notes_settings import NotesConfig
from crossward.config.notes_toml import read_notes
from crossward.config.privacy_settings import LOCAL_UNITS, NO_UNIT
from crossward.config.run_config import HOSPITAL_KEYS, SECTIONS, Value
from crossward.config.settings import PATH, SettingsError, keyed, read_settings

NODE_CONFIG = "node config"
OF_NOTES = ("data.source", "data.path", "data.encoding", "data.text-column", "data.patient-column", "data.site-column")
"""Run keys that say what notes are: a hospital with a notes.toml follows none of them."""


@dataclass(frozen=True)
class NodeConfig:
    """What a SuperNode is given with ``--node-config``; a simulation sets ``partition-id`` instead.

    ``overrides`` are the run keys that this hospital sets for its own machine, with their values.
    """

    data_path: str = field(
        default="",
        metadata={"key": "data-path", "path": PATH, "help": "This hospital's notes; replaces data.path."},
    )
    notes_path: str = field(
        default="",
        metadata={
            "key": "notes-path",
            "path": PATH,
            "help": "The notes.toml that says what this hospital's notes are (source, path, columns); replaces "
            "data-path, patient-column and what the run says of them.",
        },
    )
    party_path: str = field(
        default="",
        metadata={
            "key": "party-path",
            "path": PATH,
            "help": "This party's party.toml: what it has of its patients; required by vertical and transfer runs.",
        },
    )
    state_dir: str = field(
        default="",
        metadata={"key": "state-dir", "path": PATH, "help": "Folder for this node's state and identity; required."},
    )
    key_path: str = field(
        default="",
        metadata={
            "key": "key-path",
            "path": PATH,
            "help": "The consortium's key file, from `crossward keys`.",
        },
    )
    passphrase_path: str = field(
        default="",
        metadata={
            "key": "passphrase-path",
            "path": PATH,
            "help": "File (mode 0600) with the passphrase of the key file, if it has one.",
        },
    )
    roster_path: str = field(
        default="",
        metadata={
            "key": "roster-path",
            "path": PATH,
            "help": "The hospitals' roster, from `crossward members`; encryption.scheme = 'committee' needs it.",
        },
    )
    bases_path: str = field(
        default="",
        metadata={
            "key": "bases-path",
            "path": PATH,
            "help": "File of frozen bases for lora.factors = 'core'; replaces lora.bases.",
        },
    )
    rank: int = field(
        default=0,
        metadata={
            "key": "rank",
            "help": "How many of the run's LoRA components this hospital trains: a rank that the run lists, 0 for all. "
            "Whatever it trains, it uses all of them.",
            "min": 0,
            "max": MOST_RANK,
        },
    )
    policy: str = field(
        default=ALL,
        metadata={
            "key": "policy",
            "help": "The weakest encryption.policy that this hospital accepts; it refuses any run that encrypts less.",
            "choices": POLICIES,
        },
    )
    min_contributors: int = field(
        default=3,
        metadata={
            "key": "min-contributors",
            "help": "The smallest strategy.min-contributors that this hospital accepts: of two contributors each sees "
            "the other's update.",
            "min": 1,
        },
    )
    max_profiles: int = field(
        default=10,
        metadata={
            "key": "max-profiles",
            "help": "Profile runs (run.profile) that this hospital answers in all (0: none): the differences of many "
            "could give away small numbers that each of them hides.",
            "min": 0,
            "max": 1000,
        },
    )
    max_alignments: int = field(
        default=10,
        metadata={
            "key": "max-alignments",
            "help": "Vertical and transfer runs that this party aligns its patients in, in all (0: none): each says "
            "which of another party's identifiers are patients here.",
            "min": 0,
            "max": 100_000,
        },
    )
    most_patients: int = field(
        default=0,
        metadata={
            "key": "most-patients",
            "help": "The largest vertical.most-patients that this party accepts, so that no other tries out a list of "
            "guesses (0: any).",
            "min": 0,
        },
    )
    label_epsilon: float = field(
        default=0.0,
        metadata={
            "key": "label-epsilon",
            "help": "At a party with the outcome: the largest vertical.label-epsilon of a run whose label holder "
            "returns targets or predictions to the others (0: any, and none).",
            "min": 0.0,
        },
    )
    privacy_unit: str = field(
        default=NO_UNIT,
        metadata={
            "key": "privacy-unit",
            "help": "The privacy.unit that this hospital requires; it refuses any run with another ('none': accepts "
            "any). Needs privacy-epsilon, privacy-total-epsilon or both.",
            "choices": (NO_UNIT, *LOCAL_UNITS),
        },
    )
    privacy_epsilon: float = field(
        default=0.0,
        metadata={
            "key": "privacy-epsilon",
            "help": "The largest privacy.epsilon of a run that this hospital accepts (0: any, and none).",
            "min": 0.0,
        },
    )
    privacy_total_epsilon: float = field(
        default=0.0,
        metadata={
            "key": "privacy-total-epsilon",
            "help": "Privacy budget of all runs together at this hospital, at privacy-delta; its record is kept in "
            "state-dir. 0: each run by itself.",
            "min": 0.0,
        },
    )
    privacy_delta: float = field(
        default=1e-5,
        metadata={
            "key": "privacy-delta",
            "help": "The largest privacy.delta that this hospital accepts with privacy-epsilon; also the delta of "
            "privacy-total-epsilon.",
            "above": 0.0,
            "max": 0.1,
        },
    )
    patient_column: str = field(
        default="",
        metadata={
            "key": "patient-column",
            "help": "The column of this hospital's csv or jsonl that names the patient; replaces data.patient-column, "
            "and is required with privacy-unit 'patient'.",
        },
    )
    site: str = field(default="", metadata={"key": "site", "help": "This hospital's name in reports."})
    overrides: tuple[tuple[str, Value], ...] = ()
    notes: NotesConfig | None = None  # what notes_path says

    def __post_init__(self) -> None:
        for key, value in (("data-path", self.data_path), ("patient-column", self.patient_column)):
            if self.notes_path and value:
                raise ValueError(f"notes-path and {key} both say what the notes are: keep notes-path, remove {key}")
        if self.privacy_epsilon and self.privacy_unit == NO_UNIT:
            raise ValueError(
                f"privacy-epsilon = {self.privacy_epsilon:g} bounds nothing while privacy-unit = 'none': set that "
                "to 'example' or 'patient'"
            )
        if self.privacy_total_epsilon and self.privacy_unit == NO_UNIT:
            raise ValueError(
                f"privacy-total-epsilon = {self.privacy_total_epsilon:g} counts nothing while privacy-unit = 'none': "
                "set that to 'example' or 'patient'"
            )
        if self.privacy_unit != NO_UNIT and not (self.privacy_epsilon or self.privacy_total_epsilon):
            raise ValueError(
                f"privacy-unit = {self.privacy_unit!r} bounds nothing by itself, since a run's noise may be next to "
                "none: set privacy-epsilon (for each run), privacy-total-epsilon (for all together), or both"
            )

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> NodeConfig:
        """The node config of ``given``.

        Raises
        ------
        SettingsError
            a value is not what is expected, or a key is unknown: a demand that is misspelt would demand nothing;
            the notes.toml is missing or wrong.
        """
        known = [entry.metadata["key"] for entry in keyed(cls)]
        for key in given:
            if key in known or key in HOSPITAL_KEYS:
                continue
            if full := next((full for full in HOSPITAL_KEYS if full.split(".")[1] == key), ""):
                raise SettingsError(f"{NODE_CONFIG}: {key} is now {full}, as in the run config: rename it")
            near = difflib.get_close_matches(key.replace("_", "-"), [*known, *HOSPITAL_KEYS], 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join([*known, *HOSPITAL_KEYS])}"
            raise SettingsError(f"{NODE_CONFIG}: there is no key {key}; {hint}")
        overrides = {key: value for key, value in given.items() if key in HOSPITAL_KEYS}
        for section in SECTIONS.values():
            read_settings(section, overrides, NODE_CONFIG)
        found = read_settings(cls, given, NODE_CONFIG)
        notes = read_notes(Path(found.notes_path)) if found.notes_path else None
        return replace(found, overrides=tuple(sorted(overrides.items())), notes=notes)

    def over(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The run config's keys and values as this node follows them: what the hospital set replaces the run's.

        A run on made-up notes (data.source = synthetic, a rehearsal) stays one.
        """
        out = {**values, **dict(self.overrides)}
        if self.notes_path and values.get("data.source", SYNTHETIC) != SYNTHETIC:
            out = {key: value for key, value in out.items() if key not in OF_NOTES}
            out |= {"data.source": OWN, "data.path": self.notes_path}
        if self.data_path:
            out["data.path"] = self.data_path
        if self.patient_column:
            out["data.patient-column"] = self.patient_column
        if self.bases_path and values.get("lora.factors") == CORE:
            out["lora.bases"] = self.bases_path
        return out
