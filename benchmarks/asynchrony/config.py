"""settings.toml, read once into frozen dataclasses with checked types and ranges.

Not for: what the numbers mean; their sources stand beside them in the file.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from crossward.machine.text import TextError, read_toml

HERE = Path(__file__).parent
SETTINGS, RATES = HERE / "settings.toml", HERE / "rates.toml"
COMPUTE = ("half-normal", "equal", "10x")
T = TypeVar("T")


class ConfigError(ValueError):
    """A setting is missing, unknown, of another type or out of range; the message names it."""


@dataclass(frozen=True)
class Wire:
    """What travels: the number of ``values`` of the adapter that bytes are counted for."""

    values: int


@dataclass(frozen=True)
class Links:
    """Links: the middle of their speeds in Mbit/s, and the ratios of the fastest to the slowest."""

    middle_mbit: float
    spreads: tuple[float, ...]


@dataclass(frozen=True)
class Tasks:
    """What a task takes besides transfer, in seconds: ``latency``, sealing, and the mean and spreads of training.

    ``member_seconds`` are a committee member's for a question.
    """

    latency: float
    seal_seconds: float
    member_seconds: float
    compute_mean: float
    compute: tuple[str, ...]


@dataclass(frozen=True)
class Toy:
    """The convex toy, its local training, and when a run has reached its target."""

    dimension: int
    condition: float
    own: float
    noise: float
    learning_rate: float
    local_steps: int
    value_range: float
    nodes: tuple[int, ...]
    seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...]
    target_share: float
    hold_updates: int
    updates: int
    quick_seeds: tuple[int, ...]


@dataclass(frozen=True)
class Strategies:
    """AsyncHybrid's maximum concurrent tasks, and the updates in its ``buffer``."""

    concurrency: int
    buffer: int


@dataclass(frozen=True)
class Headline:
    """The setting whose speed-up stands beside the ``published`` one."""

    nodes: int
    spread: float
    compute: str
    published: float


@dataclass(frozen=True)
class Rates:
    """Server learning rates that ``--tune`` searches: ``grid`` for the toy, ``tiny_grid`` for the language model."""

    grid: tuple[float, ...]
    tiny_grid: tuple[float, ...]


@dataclass(frozen=True)
class Weighting:
    """The skewed hospitals that weightings are compared on."""

    nodes: int
    buffer: int
    updates: int
    seeds: tuple[int, ...]
    size_range: float
    minority: float
    shift: float
    noisy: float


@dataclass(frozen=True)
class Tiny:
    """The embedded language model on synthetic hospitals."""

    hospitals: int
    buffer: int
    patients: int
    max_tokens: int
    batch_size: int
    local_steps: int
    learning_rate: float
    rank: int
    updates: int
    loss_share: float
    test_sequences: int
    seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...]


@dataclass(frozen=True)
class Sensitivity:
    """What is varied, one setting at a time, to see whether the conclusion holds."""

    seeds: tuple[int, ...]
    factors: tuple[float, ...]
    target_shares: tuple[float, ...]
    cohorts: tuple[int, ...]
    buffers: tuple[int, ...]


@dataclass(frozen=True)
class Config:
    """All settings; every number is positive, every share below 1."""

    wire: Wire
    links: Links
    task: Tasks
    toy: Toy
    strategies: Strategies
    headline: Headline
    rates: Rates
    weighting: Weighting
    tiny: Tiny
    sensitivity: Sensitivity


def _value(name: str, given: Any, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(given, list) or not given:
            raise ConfigError(f"{name} = {given!r}: expected a list with something in it")
        return tuple(_value(name, item, get_args(kind)[0]) for item in given)
    if kind is float and type(given) is int:
        given = float(given)
    if type(given) is not kind:
        raise ConfigError(f"{name} = {given!r}: expected {kind.__name__}")
    if kind is str:
        if given not in COMPUTE:
            raise ConfigError(f"{name} = {given!r}: expected one of {', '.join(COMPUTE)}")
    elif given < 0 or (given == 0 and "seeds" not in name):
        raise ConfigError(f"{name} = {given}: expected more than 0")
    if name.endswith(("share", "shares", "minority")) and given >= 1:
        raise ConfigError(f"{name} = {given}: expected less than 1")
    return given


def _section(name: str, given: Any, kind: type[T]) -> T:
    if not isinstance(given, dict):
        raise ConfigError(f"[{name}] is missing or no table")
    hints = get_type_hints(kind)
    wanted = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    if unknown := sorted(set(given) - set(wanted)):
        raise ConfigError(f"{name + '.' if name else ''}{unknown[0]} is no setting; known are {', '.join(wanted)}")
    found = {}
    for key in wanted:
        full = f"{name}.{key}" if name else key
        if is_dataclass(hints[key]):
            found[key] = _section(full, given.get(key), hints[key])
        elif key not in given:
            raise ConfigError(f"{full} is missing")
        else:
            found[key] = _value(full, given[key], hints[key])
    return kind(**found)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except TextError as error:
        raise ConfigError(str(error)) from error


def read_config(path: Path = SETTINGS) -> Config:
    """The settings in ``path``.

    Raises
    ------
    ConfigError
        with the setting's name.
    """
    return _section("", _toml(path), Config)


def read_rates(config: Config, path: Path = RATES) -> dict[str, float]:
    """Server learning rates by ``<strategy>-<nodes>`` or ``<strategy>-tiny``, as ``--tune`` found them."""
    found = _toml(path).get("rates", {})
    for name, rate in found.items():
        grid = config.rates.tiny_grid if name.endswith("-tiny") else config.rates.grid
        if rate not in grid:
            raise ConfigError(f"rates.{name} = {rate}: expected one of {list(grid)}; run --tune again")
    return {name: float(rate) for name, rate in found.items()}
