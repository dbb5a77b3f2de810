"""What an update says about every token of the vocabulary, block by block: the evidence that learned attacks combine.

From auxiliary text the attacker knows, for every linear map with factors A and B and every token, the mean input where
the token stands (h) or is about to be predicted (p), and the mean gradient of the map's output where it is predicted
(g), at the start adapter. With an update's dA and dB, a token's evidence is

    |dA h|^2 and |dB' g|^2          how much of the token's own directions the update holds (the span attack, softly)
    -(B' g) . (dA p), -g . (dB A p) by how much the update lowers the token's loss, to first order

each in units of its spread over the vocabulary. Every number needs one block's delta alone, so a sealed block's
evidence is missing and all else stays.

Not for: combining them (``research.attacks.shadow``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from client_app.training.losses import summed_loss
from crossward.adapters import write_vector
from data.batches import train_batches
from research.attacks.laboratory import Laboratory, Vector
from research.attacks.subspace import distances, first_inputs, pursuit, row_space

Table = NDArray[np.float32]
_BATCH, _FEWEST = 8, 2


@dataclass(frozen=True)
class _Map:
    """One linear map: its blocks' numbers and what is known of every token.

    That is unit vectors of h and g, centred over the tokens, p and g themselves, and what the start's factors make of
    them.
    """

    blocks: tuple[int, int]
    own: Table  # [known, inputs]
    own_wanted: Table  # [known, outputs]
    before: Table  # [known, inputs]
    wanted: Table  # [known, outputs]
    wanted_b: Table  # [known, rank]
    before_a: Table  # [known, rank]


class Profiles:
    """The tables of one laboratory's start adapter, from ``tokens`` tokens of every hospital's auxiliary notes."""

    def __init__(self, lab: Laboratory, tokens: int = 30000) -> None:
        self.lab = lab
        self.inputs = first_inputs(lab)
        self.names = [block.name for block in lab.layout.blocks]
        if not any(".lora_A." in name for name in self.names):
            raise ValueError("the attacks need a layout that sends both factors (lora.factors = 'both')")
        firsts = [n for n, name in enumerate(self.names) if "layers.0.self_attn" in name and ".lora_A." in name]
        self.first = tuple(n for n in firsts if "o_proj" not in self.names[n])
        self.pairs = [
            (n, self.names.index(name.replace("lora_A", "lora_B")))
            for n, name in enumerate(self.names)
            if ".lora_A." in name
        ]
        sums, counts = _Watch(self).sums(tokens)
        self.known = np.flatnonzero(counts >= _FEWEST)
        share = torch.from_numpy(1.0 / counts[self.known])[:, None].float()
        self.maps = [self._map(pair, [table[self.known] * share for table in three])
                     for pair, three in zip(self.pairs, sums, strict=True)]  # fmt: skip
        uses = [block for a, b in self.pairs for block in (a, b, a, b)]
        self.uses = np.zeros((len(uses), len(self.names)), np.bool_)
        self.uses[np.arange(len(uses)), uses] = True

    def _map(self, pair: tuple[int, int], tables: list[torch.Tensor]) -> _Map:
        here, before, wanted = (table.numpy() for table in tables)
        a, b = (self._block(self.lab.start, number) for number in pair)
        return _Map(pair, _unit(here), _unit(wanted), before, wanted, wanted @ b, before @ a.T)

    def _block(self, values: Vector, number: int) -> Table:
        block = self.lab.layout.blocks[number]
        return np.asarray(values[block.offset : block.offset + block.size].reshape(block.shape))

    def evidence(self, values: Sequence[Vector]) -> Table:
        """Of updates, each float32 [total] with zeros where nothing is known: float32 [n, vocabulary, columns].

        Which blocks a column needs is ``uses``, bool [columns, blocks].
        """
        out = np.zeros((len(values), self.lab.vocabulary, len(self.uses)), np.float32)
        for number, one in enumerate(self.maps):
            a, b = one.blocks
            da = np.concatenate([self._block(v, a) for v in values]).T  # [inputs, n * rank]
            db = np.concatenate([self._block(v, b) for v in values], axis=1)  # [outputs, n * rank]
            shape = (len(self.known), len(values), -1)
            held_a = np.linalg.norm((one.own @ da).reshape(shape), axis=2)
            held_b = np.linalg.norm((one.own_wanted @ db).reshape(shape), axis=2)
            first = -np.einsum("kr,knr->kn", one.wanted_b, (one.before @ da).reshape(shape))
            second = -np.einsum("kr,knr->kn", one.before_a, (one.wanted @ db).reshape(shape))
            for column, found in enumerate((_logarithm(held_a), _logarithm(held_b), first, second)):
                out[:, self.known, 4 * number + column] = _scaled(found).T
        return out

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


class _Watch:
    """Sums of inputs and output gradients by token, over auxiliary notes."""

    def __init__(self, profiles: Profiles) -> None:
        self.profiles, self.lab = profiles, profiles.lab
        self.inputs: dict[int, torch.Tensor] = {}
        self.gradients: dict[int, torch.Tensor] = {}

    def _hooks(self) -> list[Any]:
        modules: dict[str, Any] = dict(cast(Any, self.lab.adapted.model).named_modules())
        handles = []
        for number, pair in enumerate(self.profiles.pairs):
            a, b = ("base_model.model." + self.profiles.names[n].replace(".weight", ".default") for n in pair)
            handles.append(modules[a].register_forward_hook(self._heard_input(number)))
            handles.append(modules[b].register_forward_hook(self._heard_output(number)))
        return handles

    def _heard_input(self, number: int) -> Any:
        def hook(module: Any, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
            self.inputs[number] = given[0].detach()

        return hook

    def _heard_output(self, number: int) -> Any:
        def hook(module: Any, given: Any, made: torch.Tensor) -> None:
            made.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: self.gradients.__setitem__(number, gradient.detach())
            )

        return hook

    def sums(self, tokens: int) -> tuple[list[list[torch.Tensor]], NDArray[np.float64]]:
        """Per map the sums of h, p, g, float32 [vocabulary, n], and how often each token was met."""
        lab, model = self.lab, self.lab.adapted.model
        write_vector(model, lab.layout, lab.start)
        model.eval()
        blocks, size = lab.layout.blocks, lab.vocabulary
        sums = [
            [torch.zeros(size, blocks[a].shape[1]), torch.zeros(size, blocks[a].shape[1]),
             torch.zeros(size, blocks[b].shape[0])] for a, b in self.profiles.pairs
        ]  # fmt: skip
        counts = np.zeros(size)
        handles = self._hooks()
        try:
            for hospital in range(lab.size.hospitals):
                notes = lab.auxiliary(hospital)
                batches = train_batches(notes, _BATCH, lab.rng("profile", hospital))
                for _ in range(max(1, tokens // (_BATCH * notes.max_tokens))):
                    batch = next(batches)
                    summed_loss(model, batch).backward()  # type: ignore[no-untyped-call]
                    ids = batch["input_ids"][:, 1:].flatten()
                    counts += np.bincount(ids.numpy(), minlength=size)
                    for number, three in enumerate(sums):
                        x, g = self.inputs[number], self.gradients[number]
                        for table, found in zip(three, (x[:, 1:], x[:, :-1], g[:, :-1]), strict=True):
                            table.index_add_(0, ids, found.flatten(0, 1))
        finally:
            for handle in handles:
                handle.remove()
            model.zero_grad()
        return sums, counts


def _unit(table: Table) -> Table:
    centred = table - table.mean(0)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-30), dtype=np.float32)


def _logarithm(held: NDArray[Any]) -> NDArray[Any]:
    """Of shares held, with a floor far below the largest; zeros where nothing is held."""
    largest = held.max(0)
    return np.asarray(np.log(held + 1e-9 * largest + (largest == 0)))


def _scaled(columns: NDArray[Any]) -> Table:
    """Columns [known, n] in units of their spread, cut at five; a column without any is zero."""
    away = columns - columns.mean(0)
    spread = away.std(0)
    flat = spread <= 1e-7 * np.abs(columns).max(0)
    return np.clip(np.where(flat, 0.0, away / np.where(flat, 1.0, spread)), -5, 5).astype(np.float32)
