"""Which blocks ``encryption.policy = "sensitive"`` seals, decided from public text and kept on disk.

    python -m client_app.update.sensitivity [--set key=value ...] [--fraction 0.3] [--out sensitivity.svg]

The text is made up (``data.synthetic.general``) with constants of this file alone, so that every node measures the
same sequences; no note of a hospital is read. A measurement is kept under ``sensitivity/`` in CROSSWARD_HOME. Nodes
whose choice differs (another precision, a score on the edge of a step) are told apart by `mask_fingerprint`.

Not for: the measure (``crossward.adapters.sensitivity``) or encryption.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import random
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

import client_app.training.threads  # noqa: F401 - before torch, so that OpenMP waits passively
from crossward.adapters import AdapterError, LoraSettings, ModelConfig, attach_lora, layout_of, load_base
from crossward.adapters.layout import Layout
from crossward.adapters.limits import positions
from crossward.adapters.sensitivity import FEWEST_TOKENS, MEASURE, block_sensitivity, choose, ranking
from crossward.config.run_settings import RunSettings
from crossward.config.settings import SettingsError, read_settings, resolve_paths, settings_rows
from crossward.machine.files import write_atomic
from crossward.machine.paths import PathError, own_folder, path_argument
from data import DataConfig
from data.synthetic.general import general_text
from data.tokens import make_frame

TEXTS, TOKENS, SEED = 32, 256, 20230310
_SETTINGS = (ModelConfig, LoraSettings, RunSettings)
logger = logging.getLogger("crossward.node")


class SensitivityError(RuntimeError):
    """The measurement could not be made or kept; the message says why."""


def public_ids(tokenizer: Any, longest: int = TOKENS) -> NDArray[np.int64]:
    """The public text, int64 [TEXTS, tokens]: general documents joined as training text is and cut to one length."""
    width = min(TOKENS, longest)
    if width < FEWEST_TOKENS:
        raise SensitivityError(f"the model takes {longest} tokens at once: at least {FEWEST_TOKENS} are needed")
    frame = make_frame(tokenizer, DataConfig(), ())
    documents = general_text(random.Random(SEED))
    out = np.zeros((TEXTS, width), dtype=np.int64)
    for row in out:
        ids = frame.start.tolist()
        while len(ids) < width:
            ids += [*tokenizer(next(documents), add_special_tokens=False)["input_ids"], *frame.stop.tolist()]
        row[:] = ids[:width]
    return out


def _key(layout: Layout, ids: NDArray[np.int64]) -> str:
    shape = "x".join(map(str, ids.shape))
    sha = hashlib.sha256(f"{MEASURE}|{SEED}|{layout.fingerprint}|{shape}|".encode())
    sha.update(ids.astype("<i8").tobytes())
    return sha.hexdigest()


def _digest(found: Sequence[float]) -> str:
    return hashlib.sha256(json.dumps(list(found)).encode()).hexdigest()


def _read(path: Path, key: str, blocks: int) -> NDArray[np.float64] | None:
    """The scores kept at ``path``, or None where there are none or they are damaged."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        found = np.array(kept["scores"], dtype=np.float64)
        sound = kept["key"] == key and kept["sha256"] == _digest(kept["scores"]) and found.shape == (blocks,)
        if not (sound and np.isfinite(found).all()):
            raise ValueError("its content is not what was written")
        return found
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        logger.warning("%s is damaged (%s: %s): measuring sensitivity again", path, type(error).__name__, error)
        return None


def scores(base: Any, peft_model: Any, layout: Layout) -> NDArray[np.float64]:
    """Sensitivity of every block, float64 [blocks], measured once for a layout and then read from disk.

    Processes that come at once wait for the first. Factors are as before afterwards.

    Raises
    ------
    SensitivityError
        the folder cannot be written.
    AdapterError
        the model cannot be measured.
    """
    limit = positions(base.model) or TOKENS
    ids = public_ids(base.tokenizer, limit)
    key = _key(layout, ids)
    try:
        path = own_folder("sensitivity") / f"{key}.json"
        with FileLock(path.with_suffix(".lock")):
            found = _read(path, key, len(layout.blocks))
            if found is not None:
                return found
            found = _measured(peft_model, layout, ids)
            values = found.tolist()
            names = [block.name for block in layout.blocks]
            content = {"key": key, "measure": MEASURE, "blocks": names, "scores": values, "sha256": _digest(values)}
            write_atomic(path, json.dumps(content, indent=1).encode())
            return found
    except PathError as error:
        raise SensitivityError(str(error)) from error
    except OSError as error:
        raise SensitivityError(
            f"the sensitivity of blocks cannot be kept in CROSSWARD_HOME: {error}. Set CROSSWARD_HOME to a folder that "
            "can be written"
        ) from error


def _measured(peft_model: Any, layout: Layout, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    logger.info("measuring the sensitivity of %s blocks on %s public texts", len(layout.blocks), len(ids))
    rows = (torch.from_numpy(row[None]) for row in ids)
    batches = ({"input_ids": row, "attention_mask": torch.ones_like(row)} for row in rows)
    return block_sensitivity(peft_model, layout, batches, SEED)


def sensitive_blocks(base: Any, peft_model: Any, layout: Layout, fraction: float) -> tuple[bool, ...]:
    """Which blocks of ``layout`` to seal so that at least ``fraction`` of the values are: the most sensitive ones.

    A fraction of 0 or 1 needs no measurement. Raises as `scores`, and AdapterError for a fraction outside [0, 1].
    """
    sizes = [block.size for block in layout.blocks]
    found = scores(base, peft_model, layout) if 0.0 < fraction < 1.0 else np.zeros(len(sizes))
    return choose(found, sizes, fraction)


def mask_fingerprint(mask: Sequence[bool]) -> str:
    """sha256 hex of a choice of blocks, which nodes compare (with the layout's fingerprint) before any adds."""
    return hashlib.sha256(b"crossward-mask-1|" + bytes(map(bool, mask))).hexdigest()


def table(layout: Layout, found: NDArray[np.float64], mask: Sequence[bool]) -> str:
    """A line a block, most sensitive first: rank, name, values, score, share of all values so far, sealed or clear."""
    width = max(len(block.name) for block in layout.blocks)
    lines = [f"{'rank':>4}  {'block':<{width}}  {'values':>11}  {'score':>6}  {'share':>6}"]
    covered = 0
    for place, index in enumerate(ranking(found), 1):
        block = layout.blocks[index]
        covered += block.size
        state = "sealed" if mask[index] else "clear"
        lines.append(
            f"{place:>4}  {block.name:<{width}}  {block.size:>11,}  {found[index]:>6.3f}  "
            f"{100 * covered / layout.total:>5.1f}%  {state}"
        )
    return "\n".join(lines)


def _settings(pairs: Sequence[str]) -> list[Any]:
    """Settings objects of the command's ``--set key=value``; values as in TOML, or plain text."""
    kinds = {key: type(default) for cls in _SETTINGS for key, default, _, _ in settings_rows(cls)}
    given: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or key not in kinds:
            raise SettingsError(f"--set {pair}: expected key=value with one of the keys {', '.join(sorted(kinds))}")
        try:
            given[key] = text if kinds[key] is str else tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            given[key] = text
    given = resolve_paths(_SETTINGS, given)
    return [read_settings(cls, given, "--set") for cls in _SETTINGS]


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m client_app.update.sensitivity",
        description="Rank a model's adapter blocks by what they say about text, measured on public text.",
    )
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of model, lora or run",
    )
    made.add_argument("--fraction", type=float, default=0.3, help="of the values to seal, 0 to 1 (default: 0.3)")
    made.add_argument("--out", type=path_argument, metavar="FILE", help="draw a heat map (.svg, .png or .pdf)")
    return made


def main(argv: Sequence[str] | None = None, show: Callable[[str], None] = print) -> int:
    """Measure, print and draw; 0 when done, 1 when not, 2 for options that make no sense."""
    parser = _parser()
    options = parser.parse_args(argv)
    if not 0.0 <= options.fraction <= 1.0:
        parser.error(f"--fraction {options.fraction}: expected 0 to 1")
    if options.out is not None and options.out.suffix not in (".svg", ".png", ".pdf"):
        parser.error(f"--out {options.out}: expected a name that ends in .svg, .png or .pdf")
    try:
        model, lora, run = _settings(options.set)
        base = load_base(model)
        peft_model = attach_lora(base, lora, run.seed)
        layout = layout_of(peft_model, base, lora)
        found = scores(base, peft_model, layout)
        mask = choose(found, [block.size for block in layout.blocks], options.fraction)
        show(table(layout, found, mask))
        sealed = sum(block.size for block, chosen in zip(layout.blocks, mask, strict=True) if chosen)
        show(
            f"\n{sum(mask)} of {len(mask)} blocks with {sealed:,} of {layout.total:,} values "
            f"({sealed / layout.total:.1%}) are sealed; mask {mask_fingerprint(mask)[:16]}"
        )
        if options.out is not None:
            from client_app.update.sensitivity_figure import draw

            draw(layout, found, mask, options.out, base.name)
            show(f"figure: {options.out}")
    except (AdapterError, SensitivityError, SettingsError, OSError) as error:
        print(f"sensitivity: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
