"""The ``README.md`` of an exported adapter: what it is, where it comes from, how good it is, how to load it.

It says what the run's ledger and its evaluation say, which the hospitals reported; it quotes no note and names no path
of this machine.

Not for: the adapter's files (``crossward.evaluation.export``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from crossward.adapters.base import BaseModel
from crossward.adapters.find import find_model
from crossward.adapters.licence import base_licence
from crossward.config.encryption_settings import NONE
from crossward.config.model_settings import EMBEDDED
from crossward.config.privacy_settings import HOSPITAL, NO_UNIT
from crossward.config.run_config import RunConfig
from crossward.config.weightings import EXAMPLES, WEIGHTINGS
from crossward.evaluation.replay import Run
from crossward.ledger.events import Accepted
from crossward.machine.paths import looks_like_path
from crossward.report.joining.figures import ALONE, GLOBAL, PERSONAL, Joining, evaluated, reported
from crossward.report.joining.markdown import cell, results, table

MARK = "<!-- written by crossward: it is replaced with the adapter -->"
PACKAGES = ("crossward", "torch", "transformers", "peft")
_WHAT = {
    GLOBAL: "the global adapter, which {hospitals} hospitals trained together without sharing a record",
    ALONE: "the adapter that {site} trained alone, on its own notes only; it is for comparison",
    PERSONAL: "the personal adapter of {site}: the global adapter, trained further on the hospital's own notes",
}
_REMEMBERS = (
    "An adapter remembers what it was trained on: with it, parts of training notes can be guessed, and whether a note "
    "was among them. "
)


@dataclass(frozen=True)
class Subject:
    """Which adapter a card is of: ``which`` GLOBAL, ALONE or PERSONAL, of hospital ``site``, at ``version``.

    ``run`` is None where only its settings are known: of an adapter that was exported.
    """

    config: RunConfig
    base: BaseModel
    lineage: str
    version: int
    run: Run | None = None
    which: str = GLOBAL
    site: str = ""

    @classmethod
    def of(cls, run: Run, base: BaseModel, version: int, which: str = GLOBAL, site: str = "") -> Subject:
        """An adapter of ``run``."""
        return cls(run.config, base, run.lineage, version, run, which, site)


def model_card(subject: Subject, joinings: Sequence[Joining] | None = None) -> str:
    """The card's text, Markdown with the hub's fields in front.

    ``joinings`` are the results; without them those of the run's evaluation are taken, else what hospitals reported.
    """
    run = subject.run
    if joinings is None and run is not None:
        joinings = evaluated(run.folder, subject.version) or reported(run.state.measures)
    shown = [one for one in joinings or () if subject.which == GLOBAL or one.site == subject.site]
    sections = {
        "": _opening(subject),
        "Where it comes from": _origin(subject),
        "Hospitals": _hospitals(subject),
        "Privacy": _privacy(subject),
        "Results": results(shown),
        "How to load it": _loading(subject),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" if title else text for title, text in sections.items() if text)
    return f"{_front(subject)}\n{MARK}\n\n# {_title(subject)}\n\n{body}\n"


def _name(config: RunConfig) -> str:
    """The base model's name: a hub id, or the last part of a folder's path."""
    name = config.model.name
    return Path(name).name if looks_like_path(name) or Path(name).is_dir() else name


def _on_hub(subject: Subject) -> bool:
    name = subject.config.model.name
    return subject.base.source == name and not looks_like_path(name)


def _licence(subject: Subject) -> str:
    return base_licence(subject.config.model.name, find_model(subject.config.model)[0])


def _front(subject: Subject) -> str:
    fields = [f"base_model: {_name(subject.config)}"] if _on_hub(subject) else []
    fields += ["library_name: peft", "pipeline_tag: text-generation", "tags:", "- lora", "- federated", "- crossward"]
    return "\n".join(["---", *fields, "---"])


def _title(subject: Subject) -> str:
    kind = (
        "Global adapter" if subject.which == GLOBAL else f"{subject.which.capitalize()} adapter of {cell(subject.site)}"
    )
    return f"{kind}, version {subject.version} of run {subject.lineage[:8]}"


def _opening(subject: Subject) -> str:
    hospitals = len(_sites(subject.run)) if subject.run is not None else "several"
    what = _WHAT[subject.which].format(hospitals=hospitals, site=cell(subject.site))
    return f"This is {what}. It is a LoRA adapter in PEFT's format for the base model {cell(_name(subject.config))}."


def _origin(subject: Subject) -> str:
    run, config = subject.run, subject.config
    folder, made = (f"{cell(run.folder.name)}, ", f" of {len(run.versions)} made") if run is not None else ("", "")
    name, revision = _name(config), subject.base.revision
    base = f"{cell(name)}, revision {revision or 'main'}" if _on_hub(subject) else f"{name}, a folder; no hub revision"
    base = "the model that Crossward embeds" if config.model.name == EMBEDDED else base
    licence = _licence(subject)
    sealed = config.encryption
    rows = [
        ("base model", f"{base}; sha256 `{subject.base.digest}`"),
        ("licence of the base", licence or "not stated in the base model's folder: look it up before passing this on"),
        ("factors", f"lora.factors = {config.lora.factors}, rank {config.lora.rank}, alpha {config.lora.alpha:g}"),
        ("run", f"{folder}lineage `{subject.lineage}`"),
        ("version", f"{subject.version}{made}, by {config.strategy.name}"),
        ("encryption", "none" if sealed.policy == NONE else f"{sealed.scheme}, policy {sealed.policy}"),
        ("made with", ", ".join(f"{package} {version(package)}" for package in PACKAGES)),
    ]
    return table(("", ""), rows)


def _sites(run: Run) -> list[str]:
    return sorted({site for site in run.state.sites.values() if site})


def _hospitals(subject: Subject) -> str:
    if (run := subject.run) is None:
        return ""
    trained: dict[str, int] = {}
    for event in run.events:
        if isinstance(event, Accepted):
            trained[event.site] = event.num_examples
    counted = EXAMPLES in WEIGHTINGS[subject.config.strategy.rule.weighting].needs
    rows = []
    for site in _sites(run):
        held = run.state.measures.get(("global", site))
        of_test = f"{held.patients:.0f} patients, {held.tokens:.0f} tokens" if held is not None else "not reported"
        if subject.which == GLOBAL or site == subject.site:
            rows.append(
                (cell(site), *([f"about {trained[site]}" if site in trained else "-"] if counted else []), of_test)
            )
    says = (
        ""
        if counted
        else ("\n\nHow many notes a hospital trained on is not published: the exact number can tell who is among them.")
    )
    head = ("hospital", *(["training sequences, as reported"] if counted else []), "held out, as reported")
    return table(head, rows) + says if rows else ""


def _privacy(subject: Subject) -> str:
    if subject.which != GLOBAL:
        return (
            f"**It stays at {cell(subject.site)}.** {_REMEMBERS}It was trained there without noise, whatever the "
            "run's privacy settings: no epsilon bounds what it reveals. Protect it as you protect the notes."
        )
    settings = subject.config.privacy
    if settings.unit == NO_UNIT:
        return (
            f"{_REMEMBERS}There is no epsilon: the run had privacy.unit = none, so nothing bounds what this adapter "
            "reveals. Encryption hid single updates in training; it does not protect what came of them. Give the "
            "adapter to those only who may know the notes, or train with privacy.unit."
        )
    return (
        f"{_REMEMBERS}Differential privacy bounds that: {settings.unit}-level epsilon {_spent(subject):.3g} at delta "
        f"{settings.delta:g}, the largest that a hospital spent in the whole run. It says nothing about other units, "
        "and an epsilon far above 1 is a weak bound."
    )


def _spent(subject: Subject) -> float:
    """The largest epsilon that a hospital spent."""
    if (run := subject.run) is None:
        return subject.config.privacy.epsilon
    if subject.config.privacy.unit == HOSPITAL:
        return run.state.epsilon
    return max((event.local_epsilon or 0.0 for event in run.events if isinstance(event, Accepted)), default=0.0)


def _loading(subject: Subject) -> str:
    if subject.config.model.name == EMBEDDED:
        base = ["from crossward.adapters import ModelConfig, load_base", "base = load_base(ModelConfig()).model"]
    else:
        name = repr(_name(subject.config)) if _on_hub(subject) else "BASE"
        revision = f", revision={subject.base.revision!r}" if _on_hub(subject) and subject.base.revision else ""
        note = "" if _on_hub(subject) else "  # the folder of the base model"
        base = [
            "from transformers import AutoModelForCausalLM",
            f"base = AutoModelForCausalLM.from_pretrained({name}{revision}){note}",
        ]
    lines = [
        "from peft import PeftModel",
        "from transformers import AutoTokenizer",
        *base,
        "model = PeftModel.from_pretrained(base, FOLDER)  # this folder",
        "tokenizer = AutoTokenizer.from_pretrained(FOLDER)",
    ]
    return "\n".join(["```python", *lines, "```"])
