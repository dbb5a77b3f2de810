"""``crossward bases``: the frozen bases of ``lora.factors = "core"``, computed once to hand out.

Not for: how they are computed (``crossward.adapters.bases``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossward.cli.common import PATH, USAGE, CommandError, example, failing, say


def bases(
    out: Annotated[Path, typer.Option(click_type=PATH, metavar="FILE", help="The file to write.")],
    model: Annotated[str, typer.Option(help="As model.name.")] = "embedded",
    revision: Annotated[str, typer.Option(help="As model.revision.")] = "",
    dtype: Annotated[str, typer.Option(help="As model.dtype.")] = "auto",
    quantization: Annotated[str, typer.Option(help="As model.quantization.")] = "none",
    device: Annotated[str, typer.Option(help="As model.device.")] = "auto",
    rank: Annotated[int, typer.Option(help="As lora.rank.")] = 8,
    target_modules: Annotated[str, typer.Option(help="As lora.target-modules.")] = "all-linear",
) -> int:
    """Compute the frozen bases of lora.factors = 'core' into a file, for every node.

    `crossward settings model` and `crossward settings lora` say what the options may be.
    """
    import logging

    from crossward.adapters import AdapterError
    from crossward.adapters.bases import make_file
    from crossward.config.run_config import SECTIONS, RunConfig
    from crossward.config.settings import SettingsError, resolve_paths

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    given = {
        "model.name": model,
        "model.revision": revision,
        "model.dtype": dtype,
        "model.quantization": quantization,
        "model.device": device,
        "lora.rank": rank,
        "lora.target-modules": target_modules,
        "lora.factors": "core",
    }
    try:
        config = RunConfig.read(resolve_paths(SECTIONS.values(), given))
    except SettingsError as error:
        raise CommandError(str(error), USAGE) from error
    with failing(AdapterError, OSError):
        digest = make_file(out, config.model, config.lora)
    say(f"{out}\nfingerprint {digest}\nSet lora.bases to the file's path on each node.")
    return 0


def add_to(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog=example("crossward bases --model embedded --rank 16 --out bases.safetensors"))(bases)
