"""Dithered versions: exact where they must be, in no version's place twice, and of no use to who differences them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_app.update.payloads import Vault
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.encryption.dither import KNOWN, Dither, NoDither
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.secret import Secret
from crossward.protocol.parts import ProtocolError
from server_app.run_folder import RunFolder

SECRET = Secret(bytes(range(32)))


def test_every_version_is_its_updates_and_its_dither(federation: Any) -> None:
    f = federation(compute=(1, 2, 3, 7), versions=8)
    f.start()
    f.check_agreement()
    for line in f.made():
        assert line["dithered"] == 1
        updates = [f.opened(f.sent[task][1].payload, 1, "") for task in line["tasks"]]
        exact = sum(w * q for w, q in zip(line["weights"], updates, strict=True))
        assert np.array_equal(f.version_sum(line, exact=True), exact)
        left = f.version_sum(line) - exact
        assert np.abs(left).max() <= f.plan.dither_mean and len(set(left.tolist())) > 5


def test_two_versions_of_equal_sums_differ(federation: Any) -> None:
    """A reader that knows every update sees another dither in each version."""
    f = federation(compute=(1, 1, 1), versions=6)
    f.start()
    lefts = [tuple(f.version_sum(line) - f.version_sum(line, exact=True)) for line in f.made()]
    assert len(set(lefts)) == len(lefts) == 6


def test_without_one_a_sum_is_exact_and_the_ledger_says_so(federation: Any) -> None:
    f = federation(versions=3, dither=NoDither())
    f.start()
    f.check_agreement()
    assert [line["dithered"] for line in f.made()] == [0, 0, 0]


def test_a_run_that_lost_its_key_goes_on_under_another(federation: Any, tmp_path: Path) -> None:
    """Versions are kept with their dither: nothing made before needs the key that it was made under."""
    config: dict[str, Any] = {}
    plan = federation().plan
    folder = RunFolder.create(tmp_path / "run", config, plan, durable=False)
    f = federation(journal=folder, compute=(1, 2, 3), versions=4, dither=KNOWN)
    record = folder.record

    def stop(event: str, **facts: Any) -> None:
        record(event, **facts)
        if event == "version" and facts["version"] == 2:
            raise KeyboardInterrupt

    folder.record = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        f.start()
    folder.close()
    again = federation(
        journal=RunFolder.resume(tmp_path / "run", config, durable=False),
        compute=(1, 2, 3),
        versions=4,
        dither=Dither(),
    )
    again.start()
    assert [line["dithered"] for line in again.made()] == [1] * 4
    again.check_agreement()


@pytest.mark.parametrize("policy", ["all", "none"])
def test_catch_up_sums_carry_as_many_dithers_as_versions(federation: Any, policy: str) -> None:
    """A slow node is brought up by sums of several versions, and holds what the records of each sum to."""
    key = ConsortiumKey(SECRET) if policy == "all" else None
    vault = Vault(EncryptionSettings(policy=policy, scheme=BFV, workers=1), key)
    f = federation(compute=(1, 1, 1, 9), versions=16, vault=vault, max_staleness=20)
    f.start()
    f.check_agreement()
    heads = [head for head, _ in f.strategy.state.catch_up.records(0, 4)]
    assert [(h.first, h.last, h.dithered) for h in heads] == [(1, 4, 4)]


def test_a_record_that_claims_more_dithers_than_its_fields_hold_is_refused(federation: Any) -> None:
    f = federation(compute=(1, 1, 1), versions=2)
    f.start()
    copy = f.state_of(1).copy
    head, _ = f.strategy.state.catch_up.records(1, 2)[0]
    copy.version = 1
    for claimed in (-1, 261):  # 260 * 126 < 2**15
        with pytest.raises(ProtocolError, match=rf"versions 2..2 says .* {claimed} dithers, its fields hold 0 to 260"):
            copy.add(head._replace(dithered=claimed), iter(()), 16, f.plan, 2)
