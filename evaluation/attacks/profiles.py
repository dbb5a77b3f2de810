"""What an update says about every token of the vocabulary, block by block: the evidence that learned attacks combine.

From auxiliary text the attacker knows, for every linear map with factors A and B and every token, the mean input where
the token stands (h) or is about to be predicted (p), and the mean gradient of the map's output where it is predicted
(g), at the start adapter. With an update's dA and dB, a token's evidence is

    |dA h|^2 and |dB' g|^2          how much of the token's own directions the update holds (the span attack, softly)
    -(B' g) . (dA p), -g . (dB A p) by how much the update lowers the token's loss, to first order

each in units of its spread over the vocabulary. Every number needs one block's delta alone, so a sealed block's evidence
is missing and all else stays.

Not for: combining them (``evaluation.attacks.shadow``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from adapters import write_vector
from client_app.losses import summed_loss
from data.batches import train_batches
from evaluation.attacks.laboratory import Laboratory, Vector
from evaluation.attacks.subspace import distances, first_inputs, pursuit, row_space

Table = NDArray[np.float32]
_BATCH, _FEWEST = 8, 2


@dataclass(frozen=True)
class _Map:
    """One linear map: its blocks' numbers, and per token h, p [vocabulary, inputs] and g [vocabulary, outputs]."""

    blocks: tuple[int, int]
    here: Table
    before: Table
    wanted: Table


@dataclass(frozen=True)
class Evidence:
    """``table`` float32 [vocabulary, columns]; of each column the blocks it was made from: bool [columns, blocks]."""

    table: Table
    blocks: NDArray[np.bool_]


class Profiles:
    """The tables of one laboratory's start adapter, from ``tokens`` tokens of every hospital's auxiliary notes."""

    def __init__(self, lab: Laboratory, tokens: int = 30000) -> None:
        self.lab = lab
        self.inputs = first_inputs(lab)
        self.names = [block.name for block in lab.layout.blocks]
        if not any(".lora_A." in name for name in self.names):
            raise ValueError("the attacks need a layout that sends both factors (lora.factors = 'both')")
        self.maps = self._measured(tokens)
        firsts = [n for n, name in enumerate(self.names) if "layers.0.self_attn" in name and ".lora_A." in name]
        self.first = tuple(n for n in firsts if "o_proj" not in self.names[n])

    def _measured(self, tokens: int) -> list[_Map]:
        lab, model = self.lab, self.lab.shop.model
        write_vector(model, lab.layout, lab.start)
        model.eval()
        modules: dict[str, Any] = dict(model.named_modules())
        pairs = [(n, self.names.index(name.replace("lora_A", "lora_B"))) for n, name in enumerate(self.names)
                 if ".lora_A." in name]  # fmt: skip
        caught: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        handles = []
        for number, (a, b) in enumerate(pairs):
            shape_a, shape_b = lab.layout.blocks[a].shape, lab.layout.blocks[b].shape
            stem = "base_model.model." + self.names[a].removesuffix(".weight")

            def inputs(_: Any, given: Any, made: Any, number: int = number) -> None:
                caught[number] = (given[0].detach(), torch.empty(0))

            def outputs(_: Any, given: Any, made: torch.Tensor, number: int = number) -> None:
                def heard(gradient: torch.Tensor) -> None:
                    caught[number] = (caught[number][0], gradient.detach())

                made.register_hook(heard)

            handles.append(modules[f"{stem}.default"].register_forward_hook(inputs))
            handles.append(modules[f"{stem.replace('lora_A', 'lora_B')}.default"].register_forward_hook(outputs))
            assert shape_a[0] == shape_b[1]
        size = lab.vocabulary
        sums = [
            (np.zeros((size, lab.layout.blocks[a].shape[1])), np.zeros((size, lab.layout.blocks[a].shape[1])),
             np.zeros((size, lab.layout.blocks[b].shape[0]))) for a, b in pairs
        ]  # fmt: skip
        counts = np.zeros(size)
        try:
            for hospital in range(lab.size.hospitals):
                notes = lab.auxiliary(hospital)
                batches = train_batches(notes, _BATCH, lab.rng("profile", hospital))
                for _ in range(max(1, tokens // (_BATCH * notes.max_tokens))):
                    batch = next(batches)
                    with torch.enable_grad():
                        summed_loss(model, batch).backward()  # type: ignore[no-untyped-call]
                    ids = batch["input_ids"].numpy()
                    counts += np.bincount(ids[:, 1:].ravel(), minlength=size)
                    for number, (x, g) in caught.items():
                        flat, grad = x[:, 1:].flatten(0, 1).numpy(), g[:, :-1].flatten(0, 1).numpy()
                        np.add.at(sums[number][0], ids[:, 1:].ravel(), flat)
                        np.add.at(sums[number][1], ids[:, 1:].ravel(), x[:, :-1].flatten(0, 1).numpy())
                        np.add.at(sums[number][2], ids[:, 1:].ravel(), grad)
        finally:
            for handle in handles:
                handle.remove()
            model.zero_grad()
        self.known = counts >= _FEWEST
        share = np.where(self.known, 1.0 / np.maximum(counts, 1.0), 0.0)[:, None]
        return [
            _Map(pair, *(np.asarray(table * share, dtype=np.float32) for table in tables))
            for pair, tables in zip(pairs, sums, strict=True)
        ]

    def _block(self, values: Vector, number: int) -> NDArray[np.float32]:
        block = self.lab.layout.blocks[number]
        return np.asarray(values[block.offset : block.offset + block.size].reshape(block.shape))

    def evidence(self, values: Vector, start: Vector | None = None) -> Evidence:
        """Evidence of an update, float32 [total] with zeros where nothing is known."""
        start = self.lab.start if start is None else start
        columns: list[NDArray[np.float32]] = []
        uses: list[int] = []
        for one in self.maps:
            a, b = one.blocks
            da, db = self._block(values, a), self._block(values, b)
            old_a, old_b = self._block(start, a), self._block(start, b)
            columns += [
                self._own(one.here, da.T),
                self._own(one.wanted, db),
                -np.sum((one.wanted @ old_b) * (one.before @ da.T), axis=1),
                -np.sum((one.wanted @ db) * (one.before @ old_a.T), axis=1),
            ]
            uses += [a, b, a, b]
        table = np.stack([self._scaled(column) for column in columns], axis=1)
        blocks = np.zeros((len(uses), len(self.names)), np.bool_)
        blocks[np.arange(len(uses)), uses] = True
        return Evidence(table, blocks)

    def _own(self, vectors: Table, factor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logarithm of the share of each token's direction that the factor holds."""
        centred = np.where(self.known[:, None], vectors - vectors[self.known].mean(0), 0.0)
        lengths = np.maximum(np.linalg.norm(centred, axis=1), 1e-30)
        held = np.linalg.norm(centred @ factor, axis=1) / lengths
        return np.asarray(np.log(held + 1e-12 * (held.max() + 1e-30) + 1e-30), dtype=np.float32)

    def _scaled(self, column: NDArray[np.float32]) -> NDArray[np.float32]:
        known = column[self.known]
        spread = float(known.std())
        if spread <= 1e-12 * float(np.abs(known).max() + 1e-30):
            return np.zeros_like(column)
        return np.where(self.known, np.clip((column - known.mean()) / spread, -5, 5), 0.0).astype(np.float32)

    def span(self, values: Vector, clear: NDArray[np.bool_], unit: float, most: int) -> Table:
        """What the span attacks say of each token, float32 [vocabulary, 2]: nearness to the span, order of pursuit."""
        rows = [self._block(values, n).astype(np.float64) for n in self.first if clear[n]]
        out = np.zeros((len(self.inputs), 2), np.float32)
        if not rows:
            return out
        space = row_space(np.concatenate(rows), unit)
        if not len(space) or len(space) >= self.inputs.shape[1]:
            return out
        out[:, 0] = -np.log10(np.maximum(distances(space, self.inputs), 1e-6))
        found = pursuit(space, self.inputs, self.lab.public, most)
        out[found, 1] = 1.0 / np.sqrt(1.0 + np.arange(len(found)))
        return out
