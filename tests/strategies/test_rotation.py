"""A consortium's key changes between a run and its resumption: old versions stay openable, old updates are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message

from client_app.update.payloads import MissingKeyError, Vault
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.protocol.messages import Task
from crossward.protocol.wire import read_task
from server_app.run_folder import RunFolder, RunFolderError

OLD, NEW = Secret(bytes(range(32))), Secret(bytes(range(100, 132)))
ROTATED = ConsortiumKey(NEW, (OLD,))
PLAN = FieldPlan(8, 7, 2)
CONFIG = {"encryption.policy": "all", "encryption.key": ""}


def vault(key: ConsortiumKey) -> Vault:
    return Vault(EncryptionSettings(scheme=BFV, workers=1), key)


BEFORE, AFTER, ONLY_NEW = vault(ConsortiumKey(OLD)), vault(ROTATED), vault(ConsortiumKey(NEW))


def opened(f: Any) -> int:
    """How many versions open."""
    return len([f.version_sum(line) for line in f.made()])


def resumed(federation: Any, tmp_path: Path, after: Vault, key: str, **keywords: Any) -> Any:
    """A run that was interrupted after three versions with an update waiting, and its resumption under ``key``."""
    given: dict[str, Any] = {
        "compute": (1, 2, 3, 7),
        "plan": PLAN,
        "versions": 9,
        "snapshot_every": 2,
        "retry_seconds": 1.0,
    }
    given |= keywords
    folder = RunFolder.create(tmp_path / "run", CONFIG, PLAN, durable=False)
    first = federation(journal=folder, vault=BEFORE, **given)
    make, record = folder, folder.record

    def until(event: str, **facts: Any) -> None:
        record(event, **facts)
        if event == "accepted" and sum(1 for line in make.events() if line["event"] == "version") == 3:
            raise KeyboardInterrupt

    folder.record = until  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.start()
    folder.close()
    again = RunFolder.resume(tmp_path / "run", CONFIG | {"encryption.key": key}, durable=False)
    second = federation(journal=again, vault=after, key=key, **given)
    second.sent, second.starts, second.deltas = first.sent, first.starts, first.deltas
    return second


def test_a_rotated_run_goes_on_under_the_new_key(federation: Any, tmp_path: Path) -> None:
    tasks: list[Task] = []

    def watch(who: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        tasks.append(read_task(message.content))
        return [(0.0, reply)]

    second = resumed(federation, tmp_path, AFTER, NEW.fingerprint, fault=watch)
    waiting = [update.task for update in second.strategy.state.buffer]
    assert waiting
    tasks.clear()
    second.start()
    (refused,) = second.lines("wrong-key")
    assert refused["task"] in waiting and NEW.fingerprint in refused["reason"] and OLD.fingerprint in refused["reason"]
    assert [line["key"] for line in second.made()] == [OLD.fingerprint] * 3 + [NEW.fingerprint] * 6
    second.check_agreement()
    assert any(refused["reason"] == task.refused for task in tasks)
    assert all(head.key == OLD.fingerprint or head.first > 3 for task in tasks for head, _ in task.records)
    assert all(not head.first <= 3 < head.last for task in tasks for head, _ in task.records), "a sum across the keys"


@pytest.mark.parametrize("key", ["", NEW.fingerprint])
def test_what_an_update_left_over_is_not_lost_by_a_resumption(federation: Any, tmp_path: Path, key: str) -> None:
    """Without a rotation, where the update that waits is used, and with one, where it is refused after all."""
    second = resumed(federation, tmp_path, AFTER if key else BEFORE, key)
    second.start()
    assert len(second.lines("wrong-key")) == bool(key)
    second.check_residuals()


def test_versions_under_the_old_key_stay_openable_with_the_rotated_key_file_only(
    federation: Any, tmp_path: Path
) -> None:
    second = resumed(federation, tmp_path, AFTER, NEW.fingerprint)
    second.start()
    assert opened(second) == 9
    second.vault = ONLY_NEW
    with pytest.raises(
        MissingKeyError, match=f"sealed under key {OLD.fingerprint}, which this node's key file does not hold"
    ):
        opened(second)


def newcomer(federation: Any, tmp_path: Path, **keywords: Any) -> Any:
    """Node 5 joins after the rotation and holds the new key only."""
    second = resumed(
        federation,
        tmp_path,
        AFTER,
        NEW.fingerprint,
        compute=(1, 2, 3, 7, 1),
        versions=40,
        joins={5: 25.0},
        **keywords,
    )
    own = second.nodes[5].app
    fresh = federation(
        journal=second.journal, vault=ONLY_NEW, key=NEW.fingerprint, compute=(1,) * 5, versions=40, plan=PLAN
    )
    assert own is not fresh.nodes[5].app
    second.nodes[5].app = fresh.nodes[5].app
    second.start()
    return second


def test_a_newcomer_with_only_the_new_key_gets_in_through_a_new_snapshot(federation: Any, tmp_path: Path) -> None:
    second = newcomer(federation, tmp_path)
    assert any(line["key"] == NEW.fingerprint for line in second.lines("snapshot"))
    assert any("toy-4" in line["sites"] for line in second.made())
    second.check_agreement([1, 2, 3, 4])
    second.vault = ONLY_NEW
    assert second.state_of(5).copy.version == 40


def test_a_newcomer_gets_in_after_a_rotation_also_when_no_snapshot_had_been_made(
    federation: Any, tmp_path: Path
) -> None:
    second = newcomer(federation, tmp_path, snapshot_every=50)
    assert any("toy-4" in line["sites"] for line in second.made())


def test_resuming_with_another_policy_is_refused_by_name(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", CONFIG, PLAN, durable=False).close()
    with pytest.raises(RunFolderError, match=r"encryption.policy \('all', now 'none'\)"):
        RunFolder.resume(tmp_path / "run", CONFIG | {"encryption.policy": "none"}, durable=False)
    RunFolder.resume(tmp_path / "run", CONFIG | {"encryption.key": NEW.fingerprint}, durable=False).close()
