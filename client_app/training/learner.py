"""The node's model and notes: LoRA factors on a base model, trained and measured on this hospital's notes.

Model and notes are loaded once per process and stay; hospitals that share a process share the base model, since
all that is a hospital's own (its adapter) is written into the factors before each task.

Not for: what is sent (``client_app.node``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from client_app.personal.methods import PERSONAL_METHODS
from client_app.personal.result import Personal
from client_app.personal.split import Ints, Split, validation_split
from client_app.personal.trainer import Given
from client_app.seeds import derived_seed
from client_app.training.head import pass_tokens
from client_app.training.held_out_sample import HeldOutSample, budget
from client_app.training.loop import NO_LIMIT, Pace, TrainingError, train_steps
from client_app.training.measuring import Table, measured, patient_rows
from client_app.training.meter import Meter, Report, log_report
from client_app.training.notes_trainer import NotesTrainer
from client_app.training.sharding import before_sharding, shard
from client_app.training.spec import LearnerSpec, site_name
from client_app.training.team import SOLO, Team
from client_app.training.trained import Trained, Vector
from crossward.adapters import (
    AdapterError,
    LoraSettings,
    ModelConfig,
    attach_lora,
    check_length,
    layout_of,
    load_base,
    read_vector,
    write_vector,
)
from crossward.adapters.ranks import Shapes
from crossward.adapters.slices import trained_slice
from crossward.adapters.targets import refuse_parameters
from crossward.config.personal_settings import NONE, PersonalSettings
from crossward.config.privacy_settings import LOCAL_UNITS, NO_UNIT, PATIENT, PrivacySettings
from crossward.config.schedule import Schedule
from crossward.config.train_settings import FSDP, TrainSettings
from crossward.privacy.noise import SECRET, Randomness
from crossward.protocol.measures import Measure
from data import (
    DataConfig,
    Hospital,
    PoissonSampler,
    TokenDataset,
    count_units,
    load_hospital,
    test_batches,
    tokenise,
    train_batches,
)
from data.own_notes import share_of

OnStep = Callable[[int, float], None]
OnProgress = Callable[[Report], None]


@dataclass(frozen=True)
class AdaptedModel:
    """A base model with its factors attached, and their initial values."""

    base: Any
    model: Any
    layout: Any
    initial: Vector
    sharded: bool = False


@functools.lru_cache(maxsize=1)
def adapted_model(model: ModelConfig, lora: LoraSettings, seed: int, sharded: bool = False) -> AdaptedModel:
    """Load once per process. ``sharded``: the processes of the present team hold a part of the base each."""
    base = load_base(before_sharding(model) if sharded else model)
    peft_model = attach_lora(base, lora, seed)
    layout = layout_of(peft_model, base, lora)
    initial = read_vector(peft_model, layout)
    if sharded:
        refuse_parameters(peft_model.crossward_targets, "node.sharding = 'fsdp' needs linear layers")
        shard(peft_model, model.device)
    return AdaptedModel(base, peft_model, layout, initial, sharded)


@functools.lru_cache(maxsize=16)
def _notes(data: DataConfig, partition: int | None, partitions: int | None) -> Hospital:
    return load_hospital(data, partition, partitions)


def notes(data: DataConfig, partition: int | None, partitions: int | None) -> Hospital:
    """A hospital's notes, memory-mapped; kept open for later tasks while its notes.toml says the same."""
    return _notes(*share_of(data, partition, partitions))


class LoraLearner:
    """A :class:`client_app.node.Learner` over a Hugging Face causal language model.

    ``team`` shares the work; ``on_progress`` gets its progress. With a unit of ``privacy`` that hospitals protect,
    ``units`` is how many of them this one trains on, else 0. With a ``rank`` above 0 it trains that many components of
    the adapter and leaves the others as they are.
    """

    def __init__(
        self,
        adapted: AdaptedModel,
        hospital: Hospital,
        data: DataConfig,
        schedule: Schedule,
        settings: TrainSettings,
        site: str = "",
        team: Team = SOLO,
        on_progress: OnProgress | None = None,
        privacy: PrivacySettings | None = None,
        randomness: Randomness = SECRET,
        personal: PersonalSettings | None = None,
        rank: int = 0,
    ) -> None:
        self.rank = rank
        self.adapted, self.schedule, self.settings, self.data = adapted, schedule, settings, data
        self.privacy, self.randomness = privacy or PrivacySettings(), randomness
        self.tuning = personal or PersonalSettings()
        self.hospital, self.site = hospital, site_name(site or hospital.name)
        self.team, self.on_progress, self.cancelled = team, on_progress or log_report, lambda: False
        self.beat: Callable[[], None] = lambda: None
        self.layout: str = adapted.layout.fingerprint
        self.sizes: tuple[int, ...] = tuple(block.size for block in adapted.layout.blocks)
        self.shapes: Shapes = adapted.layout.shapes
        check_length(adapted.base.model, adapted.base.name, data.max_tokens)
        if self.privacy.unit in LOCAL_UNITS:  # rather than in the first step
            what = f"privacy.unit = {self.privacy.unit!r} clips each sequence's gradient, which needs linear layers"
            refuse_parameters(adapted.model.crossward_targets, what)
        tokenizer = adapted.base.tokenizer
        self.train_tokens = tokenise(hospital.train, tokenizer, data, hospital.labels)
        by_patient = self.privacy.unit == PATIENT
        self.units = count_units(self.train_tokens, by_patient) if self.privacy.unit in LOCAL_UNITS else 0
        # measured note by note, so that a hospital's figure does not depend on how its notes were packed
        self.test_tokens = tokenise(hospital.test, tokenizer, replace(data, packing=False), hospital.labels)

    @functools.cached_property
    def held_out_sample(self) -> HeldOutSample:
        """The held-out notes whose loss is measured before each training; none where nothing is to be reported."""
        tokens = 0
        if self.settings.report_held_out and self.privacy.unit == NO_UNIT:
            tokens = budget(self.settings, self.schedule.local_steps, self.data.max_tokens)
        return HeldOutSample.draw(self.test_tokens, tokens, self.settings.evaluation_tokens, self.data.seed)

    @functools.cached_property
    def split(self) -> Split | None:
        """Training notes that decide how far the personal adapter is trained, and the others; None of one patient."""
        tokens, schedule = self.train_tokens, self.schedule
        steps = self.tuning.steps or schedule.versions * schedule.local_steps
        trained = steps * self.settings.batch_size * self.settings.accumulation * self.data.max_tokens
        seed = derived_seed(self.data.seed, self.site, 0, "validation")  # the same in every version, and afterwards
        return validation_split(tokens.patients, np.diff(tokens.offsets), trained, seed)

    @property
    def shared(self) -> Ints | None:
        """Training notes that the global adapter is trained on; None: all of them."""
        if self.tuning.method == NONE or self.split is None or self.split.many:
            return None
        return self.split.fit

    def initial(self) -> Vector:
        """The seeded LoRA factors, float32 [total]."""
        return self.adapted.initial

    def sensitive_blocks(self, fraction: float) -> tuple[bool, ...]:
        """Which blocks policy ``sensitive`` seals."""
        from client_app.update.sensitivity import sensitive_blocks

        if self.adapted.sharded and 0.0 < fraction < 1.0:
            raise AdapterError(
                "encryption.policy = 'sensitive' measures blocks, which a sharded base model (node.sharding = 'fsdp') "
                "cannot do: use policy 'all', or hold the base whole"
            )
        return sensitive_blocks(self.adapted.base, self.adapted.model, self.adapted.layout, fraction)

    def fit(
        self,
        start: Vector,
        steps: int,
        schedule: Schedule,
        version: int,
        seed: int,
        pace: Pace = NO_LIMIT,
        observer: OnStep | None = None,
        among: Ints | None = None,
    ) -> Trained:
        """At most ``steps`` steps from ``start`` on the training notes ``among`` (None: all), as the others ask for."""
        model, layout = self.adapted.model, self.adapted.layout
        write_vector(model, layout, start)
        rng = np.random.default_rng(seed)
        meter = Meter(self.site, steps, str(self.device), self.on_progress, beat=self.beat)

        def on_step(step: int, loss: float, tokens: int) -> None:
            meter.step(step, loss, tokens)
            if observer is not None:
                observer(step, loss)

        with (
            trained_slice(model, self.rank),
            torch.random.fork_rng(),
        ):  # dropout draws from torch's own generator, on every process other numbers
            torch.manual_seed((int(rng.spawn(1)[0].integers(2**62)) + self.team.rank) % 2**63)
            outcome = train_steps(
                model,
                train_batches(self.train_tokens, self.settings.batch_size, rng, among),
                steps,
                lambda step: schedule.learning_rate(version, step),
                self.settings,
                on_step,
                self.team,
                pace,
            )
        examples = len(self.train_tokens) if among is None else len(among)
        return Trained(read_vector(model, layout), examples, outcome.tokens, outcome.loss_sum, outcome.steps)

    @property
    def device(self) -> torch.device:
        """Where the factors are."""
        device: torch.device = next(p for p in self.adapted.model.parameters() if p.requires_grad).device
        return device

    def train(self, start: Vector, version: int, seed: int) -> Trained:
        """``train.local-steps`` steps at the run's rates for ``version``, or what ``train.local-seconds`` allow."""
        if self.units:
            raise TrainingError(f"privacy.unit = {self.privacy.unit!r}: a training without noise must stay here")
        write_vector(self.adapted.model, self.adapted.layout, start)
        held_out = tuple(self.held_out_sample.losses(self.adapted.model, self.settings.precision).tolist())
        pace = Pace(self.settings.local_seconds, self.cancelled)
        trained = self.fit(start, self.schedule.local_steps, self.schedule, version, seed, pace, among=self.shared)
        return replace(trained, held_out=held_out)

    def train_private(self, start: Vector, version: int, noise_multiplier: float) -> Trained:
        """``train.local-steps`` steps of DP-SGD; what is reported beside the adapter reveals nothing about any patient.

        The loss is withheld (0.0), ``num_examples`` is the number of units, which is public, and ``num_tokens`` the
        most that so many expected sequences may hold. Nothing random comes from the run's seed.
        """
        from client_app.training.private import private_steps
        from crossward.privacy.mechanism import GaussianMean

        p, model, layout, steps = self.privacy, self.adapted.model, self.adapted.layout, self.schedule.local_steps
        most = p.notes_per_patient if p.unit == PATIENT else 1
        sampler = PoissonSampler(self.train_tokens, p.unit == PATIENT, p.batch, most)
        write_vector(model, layout, start)
        with trained_slice(model, self.rank):
            private_steps(
                model,
                sampler,
                GaussianMean(p.clip, noise_multiplier, p.batch, p.micro_batch),
                steps,
                lambda step: self.schedule.learning_rate(version, step),
                self.settings,
                Meter(self.site, steps, str(self.device), self.on_progress, beat=self.beat).step,
                self.team,
                Pace(cancelled=self.cancelled),
                self.randomness,
            )
        public = steps * p.batch * most * self.data.max_tokens
        return Trained(read_vector(model, layout), self.units, public, 0.0, steps)

    def alone(self, start: Vector, steps: int, seed: int, observer: OnStep | None = None) -> Vector:
        """``steps`` steps through a whole schedule of the run's form; ``observer`` gets step and loss.

        Without noise whatever the run's privacy: the adapter stays here.
        """
        schedule = replace(self.schedule, versions=1, local_steps=steps)
        return self.fit(start, steps, schedule, 0, seed, Pace(cancelled=self.cancelled), observer).vector

    def personal(
        self, start: Vector, alone: Vector | None, steps: int, seed: int, observer: OnStep | None = None
    ) -> Personal:
        """A personal adapter from the global one, ``start``, by the settings' method, in trainings of ``steps`` steps.

        ``alone`` is the adapter trained alone, None where there is none; ``observer`` gets steps and losses. Without
        noise whatever the run's privacy: the adapter stays here.
        """
        if self.tuning.method == NONE:
            raise TrainingError("personal.method = 'none' makes no personal adapter: set it to 'fine-tune'")
        given = Given(start, alone, steps, self.tuning.peak or self.schedule.peak, seed)
        return PERSONAL_METHODS[self.tuning.method](NotesTrainer(self, observer), given)

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """Measures on the held-out notes."""
        return {name: measured(rows) for name, rows in self.by_patient(models).items()}

    def by_patient(self, models: dict[str, Vector]) -> dict[str, Table]:
        """(tokens, loss_sum, correct) of each held-out patient, float64 [patients, 3]; in the same order for each."""
        return {name: self.measure(name, vector, self.test_tokens) for name, vector in models.items()}

    def measure(self, name: str, vector: Vector, tokens: TokenDataset, among: Ints | None = None) -> Table:
        """As :meth:`by_patient`, on the notes ``among`` (None: all) of ``tokens``; progress calls it ``name``."""
        write_vector(self.adapted.model, self.adapted.layout, vector)
        batches = test_batches(tokens, pass_tokens(self.settings.evaluation_tokens, self.adapted.model), among)
        meter = Meter(self.site, 0, str(self.device), self.on_progress, name, beat=self.beat)
        patients, precision = len(tokens.patient_ids), self.settings.precision
        return patient_rows(self.adapted.model, meter.over(batches), patients, precision, self.team)

    def close(self, last: bool) -> None:
        """Nothing: the model stays in the process."""


def local_learner(spec: LearnerSpec, team: Team = SOLO, on_progress: OnProgress | None = None) -> LoraLearner:
    """The learner that ``spec`` describes, in this process; model and notes are loaded once and stay."""
    config = spec.config
    hospital = notes(config.data, spec.partition, spec.partitions)  # bad notes are found before the model is loaded
    sharded = config.node.sharding == FSDP and team.size > 1
    wanted = (config.model, config.lora, config.run.seed)  # a default that is given would be another key of the cache
    adapted = adapted_model(*wanted, sharded=True) if sharded else adapted_model(*wanted)
    if config.lora.ranks:
        refuse_parameters(adapted.model.crossward_targets, "lora.ranks needs linear layers")
    return LoraLearner(
        adapted,
        hospital,
        config.data,
        config.schedule,
        config.train,
        spec.site,
        team,
        on_progress,
        config.privacy,
        personal=config.personal,
        rank=spec.rank,
    )
