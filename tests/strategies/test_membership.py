"""Hospitals that come, go and come back as other Flower nodes, and how a run ends with whoever is left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from encryption.plan import FieldPlan
from simulation.toy import toy_context
from simulation.virtual_grid import VirtualNode


def comes_back(f: Any, hospital: int, after: float, gone: float) -> int:
    """``hospital``'s SuperNode is restarted ``after`` seconds: it registers under another Flower node id."""
    old, new = f.nodes[hospital], max(f.nodes) + 1
    old.leaves = after
    f.nodes[new] = VirtualNode(old.app, replace(toy_context(hospital - 1), node_id=new), old.speed, joins=after + gone)
    return new


def as_hospital(f: Any, new: int, hospital: int) -> None:
    """Count what node ``new`` sent as ``hospital``'s."""
    f.sent.update({task: (hospital, update) for task, (who, update) in f.sent.items() if who == new})


def test_what_a_hospital_left_over_is_kept_when_it_comes_back_under_another_id(federation: Any) -> None:
    """Its last update was accepted under the old id: the residual must be committed, not rolled back."""
    f = federation(compute=(3, 4, 5, 1), versions=12, plan=FieldPlan(3, 6, 2), buffer_size=4)
    new = comes_back(f, 4, after=2.0, gone=5.0)
    f.start()
    assert f.outcomes()[next(t for t, (who, _) in sorted(f.sent.items()) if who == 4)] == ["accepted"]
    as_hospital(f, new, 4)
    f.check_accounts()
    f.check_residuals([1, 2, 3, 4])
    f.check_agreement([1, 2, 3, 4])
