"""The processes that train one model together, one a GPU or CPU rank: what each takes, and how they add up.

A process on its own is a team of one, for which every collective is nothing. The process group is made by whoever
starts the ranks (``client_app.group.rank``); here it is only used.

Not for: starting processes (``client_app.group``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist

from data.batches import IGNORED

Batch = dict[str, torch.Tensor]
_FILL = {"labels": IGNORED, "attention_mask": 0, "input_ids": 0}


@dataclass(frozen=True)
class Team:
    """``rank`` of ``size`` processes."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process speaks for the team."""
        return self.rank == 0

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """``tensor`` summed over the team, in place; every process ends with the same bits."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def from_leader(self, tensor: torch.Tensor) -> torch.Tensor:
        """The leader's ``tensor``, in place."""
        if self.size > 1:
            dist.broadcast(tensor, src=0)
        return tensor


SOLO = Team()


def present_team() -> Team:
    """The team of this process's default group, or a team of one."""
    return Team(dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else SOLO


def share(group: list[Batch], team: Team) -> list[Batch]:
    """This process's part of a step's batches: as many forward passes on every process, of near equal tokens.

    Sequences are dealt out longest first, one to each process in turn, and joined to batches no larger than the given
    ones. A process that would have fewer passes than the others gets some in which nothing is to be learned.
    """
    if team.size == 1:
        return group
    most = max(len(batch["input_ids"]) for batch in group)
    rows = [{k: v[i] for k, v in batch.items()} for batch in group for i in range(len(batch["input_ids"]))]
    lengths = [int(row["attention_mask"].sum()) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: -lengths[i])
    passes = -(-len(order[:: team.size]) // most)
    mine = order[team.rank :: team.size]
    out = []
    for number in range(passes):
        chosen = mine[number * most : (number + 1) * most]
        if not chosen:
            idle = {k: v[None, : lengths[order[-1]]].clone() for k, v in rows[order[-1]].items()}
            out.append(idle | {"labels": torch.full_like(idle["labels"], IGNORED)})
            continue
        width = lengths[chosen[0]]
        out.append({k: torch.stack([_fitted(k, rows[i][k], width) for i in chosen]) for k in rows[0]})
    return out


def _fitted(name: str, row: torch.Tensor, width: int) -> torch.Tensor:
    return torch.nn.functional.pad(row, (0, width - len(row)), value=_FILL[name])  # a negative width cuts off
