"""A vertical run from end to end on the virtual clock: real parties, sealed envelopes, a relay that opens none."""

from __future__ import annotations

from pathlib import Path

from tests.vertical_runs import Consortium


def test_three_parties_align_train_and_distil(tmp_path: Path) -> None:
    state = Consortium(tmp_path).run()
    assert state.finished == "all steps are done"
    found = state.reported("finish")["hospital"]
    assert found["auroc"] > 0.85 > found["alone auroc"]
    assert state.messages < 60
