"""Run-config keys of vertical and transfer runs: how parties align their patients, train together, and what is hidden.

Not for: what a party has (``crossward.config.party_settings``), which scenario a run is
(``crossward.config.scenarios``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

SEALED, NOISED, ENCRYPTED = "sealed", "noised", "encrypted-forward"
PROTECTIONS = (SEALED, NOISED, ENCRYPTED)


@dataclass(frozen=True)
class VerticalSettings:
    """Keys under ``vertical.``."""

    parties: int = field(
        default=3,
        metadata={"key": "vertical.parties", "help": "How many parties take part.", "min": 2, "max": 64},
    )
    exchanges: int = field(
        default=0,
        metadata={
            "key": "vertical.exchanges",
            "help": "How often parties improve their representations by what the label holder returns, which "
            "reveals training patients' outcomes; 0: one-shot. With 'encrypted-forward', how often products are "
            "opened.",
            "min": 0,
            "max": 50,
        },
    )
    dim: int = field(
        default=16,
        metadata={
            "key": "vertical.embedding",
            "help": "Values of a patient's embedding, which a party sends to the label holder.",
            "min": 1,
            "max": 1024,
        },
    )
    clip: float = field(
        default=4.0,
        metadata={
            "key": "vertical.clip",
            "help": "The largest L2 norm of an embedding; longer ones are shortened.",
            "above": 0.0,
        },
    )
    protection: str = field(
        default=SEALED,
        metadata={
            "key": "vertical.protection",
            "help": "What hides embeddings: 'sealed' to the label holder from everybody else; 'noised' as well, with "
            "vertical.epsilon; 'encrypted-forward', so that the label holder sees only their products with its "
            "weights.",
            "choices": PROTECTIONS,
        },
    )
    epsilon: float = field(
        default=0.0,
        metadata={
            "key": "vertical.epsilon",
            "help": "Patient-level epsilon of all embeddings that a party sends in the run, at privacy.delta; with "
            "protection 'noised'.",
            "min": 0.0,
        },
    )
    label_epsilon: float = field(
        default=0.0,
        metadata={
            "key": "vertical.label-epsilon",
            "help": "Epsilon of each patient's outcome in all that the label holder returns, targets and predictions, "
            "which then follow from randomised outcomes; 0: from the outcomes themselves.",
            "min": 0.0,
            "max": 30.0,
        },
    )
    cardinality_only: bool = field(
        default=False,
        metadata={
            "key": "vertical.cardinality-only",
            "help": "Find out how many patients the parties have in common, and nothing else.",
        },
    )
    padding: int = field(
        default=0,
        metadata={
            "key": "vertical.padding",
            "help": "Parties fill their sets of patients with random points to a multiple of this; 0: they do not.",
            "min": 0,
            "max": 1_000_000,
        },
    )
    most_patients: int = field(
        default=2_000_000,
        metadata={
            "key": "vertical.most-patients",
            "help": "The largest set of patients that a party accepts of another.",
            "min": 1,
        },
    )
    held_out: float = field(
        default=0.2,
        metadata={
            "key": "vertical.held-out",
            "help": "Share of the common patients that models are measured on; as many again stop and calibrate them.",
            "above": 0.0,
            "max": 0.4,
        },
    )
    max_wait: float = field(
        default=600.0,
        metadata={
            "key": "vertical.max-wait",
            "help": "Seconds after which an exchange goes on without a party that has not answered; its embeddings of "
            "before are used.",
            "above": 0.0,
        },
    )
    distil: bool = field(
        default=True,
        metadata={
            "key": "vertical.distil",
            "help": "After training, the label holder sends predictions for common patients to the parties, and each "
            "trains a model that predicts alone for all of its patients.",
        },
    )
    patients: int = field(
        default=2000,
        metadata={
            "key": "vertical.patients",
            "help": "Patients of a simulation, over all parties.",
            "min": 60,
            "max": 1_000_000,
        },
    )
    overlap: float = field(
        default=0.7,
        metadata={
            "key": "vertical.overlap",
            "help": "Share of a simulation's patients whom all parties know.",
            "above": 0.0,
            "max": 1.0,
        },
    )

    def __post_init__(self) -> None:
        if self.protection == NOISED and not self.epsilon:
            raise ValueError(
                f"vertical.protection = {NOISED!r} needs vertical.epsilon: set it to the budget of the run (8, say)"
            )
        if self.epsilon and self.protection != NOISED:
            raise ValueError(
                f"vertical.epsilon = {self.epsilon:g} adds no noise with vertical.protection = {self.protection!r}: "
                f"set that to {NOISED!r}, or remove vertical.epsilon"
            )
        if self.protection == ENCRYPTED and not self.exchanges:
            raise ValueError(
                f"vertical.exchanges = 0 with vertical.protection = {ENCRYPTED!r} would give the label holder no "
                "product: set it to 1 or more"
            )

    @property
    def tells_outcomes(self) -> bool:
        """Whether what the label holder returns to the other parties depends on single patients' outcomes."""
        return self.distil or (self.exchanges > 0 and self.protection != ENCRYPTED)
