"""What a launch was asked for, and how many hospitals that lets train at once.

Not for: reading options (``crossward.cli.run``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from crossward.launcher.errors import LauncherError
from crossward.launcher.overrides import Value


@dataclass(frozen=True)
class Options:
    """What was asked for; paths are absolute. ``resumed``: settings of the run to resume, under ``run_config``.

    ``num_supernodes`` 0: as many as the scenario has.

    ``model`` and ``notes`` decide what ``run_config`` leaves open. A ``dry_run`` ends before anything is started.
    """

    app: Path
    runs_dir: Path
    run_config: tuple[str, ...] = ()
    model: str = ""
    notes: Path | None = None
    dry_run: bool = False
    resumed: dict[str, Value] = field(default_factory=dict)
    num_supernodes: int = 4
    cpus_per_client: int = 1
    gpus_per_client: float = 0.0
    cpus: int = 0
    evaluate: bool = True
    evaluation_args: str = ""
    keep_superlink: bool = False
    offline: bool = False
    quiet: bool = False
    verbose: bool = False


def cpus_of(options: Options, available: int) -> int:
    """The CPUs that Ray gets: it makes one actor per ``cpus-per-client``, so no more than there are clients to use."""
    wanted = options.num_supernodes * options.cpus_per_client
    cpus = options.cpus or max(min(available, wanted), options.cpus_per_client)
    if cpus < options.cpus_per_client:
        raise LauncherError(f"--cpus {cpus} is less than --cpus-per-client {options.cpus_per_client}: no client fits")
    return cpus


def clients_at_once(options: Options, available: int) -> int:
    """How many hospitals' clients run at once."""
    at_once = min(options.num_supernodes, cpus_of(options, available) // options.cpus_per_client)
    return min(at_once, max(1, int(1 / options.gpus_per_client))) if options.gpus_per_client else at_once


def federation(options: Options, available: int) -> str:
    """Flower's federation config."""
    cpus = cpus_of(options, available)
    return (
        f"num-supernodes={options.num_supernodes} client-resources-num-cpus={options.cpus_per_client} "
        f"client-resources-num-gpus={options.gpus_per_client:g} init-args-num-cpus={cpus}"
    )
