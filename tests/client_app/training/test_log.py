"""A node's own log has the exact training loss; the server is told another, or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate

from client_app.guard.limits import Limits
from client_app.node import Node
from client_app.training.log import FILE_NAME, Training, read_trainings
from client_app.update.hospital_noise import HospitalNoise
from client_app.update.reporting import Reporting
from client_app.update.sealer import UpdateSealer
from crossward.config.schedule import Schedule
from crossward.privacy.hospital import HospitalMechanism
from crossward.protocol.messages import Head, Task, Update
from crossward.simulation.toy import ToyLearner, toy_identity

SCHEDULE = Schedule(versions=10, local_steps=5, peak=0.05)
TASK = Task("line", 1, 0, 0, 0, 10, (8, 6, 6), Head(3, "abc"))


def node(folder: Path, **own: Any) -> Node:
    return Node(ToyLearner(0, SCHEDULE), folder, toy_identity(1), SCHEDULE, 0, lambda: 0.0, durable=False, **own)


def kept(folder: Path) -> list[Training]:
    return list(read_trainings((folder / FILE_NAME).read_bytes()))


def exact(of: Node) -> float:
    trained = of.learner.train(of.learner.initial(), 0, 0)
    return trained.loss_sum / trained.num_tokens


def test_the_exact_loss_is_logged_and_kept_and_a_power_of_the_grid_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "crossward.node")
    one = node(tmp_path, reporting=Reporting(loss_grid=1.5))
    update = one.train(replace(TASK, task=7))
    assert isinstance(update, Update)
    loss, reported = exact(one), update.loss_sum / update.num_tokens
    assert reported != pytest.approx(loss, rel=1e-3)
    assert kept(tmp_path) == [Training(7, 0, loss, 50, 5)]
    line = f"trained 5 steps from version 0: training loss {loss:.4f} over 50 tokens; reported as {reported:.4f}"
    assert line in caplog.text


def test_no_field_of_the_update_holds_the_exact_loss(tmp_path: Path) -> None:
    one = node(tmp_path, reporting=Reporting(loss_grid=1.5))
    update = one.train(TASK)
    assert isinstance(update, Update)
    loss = exact(one)
    numbers = [value for value in vars(update).values() if isinstance(value, int | float)]
    assert not [n for n in numbers if n == pytest.approx(loss, rel=1e-6) or n == pytest.approx(50 * loss, rel=1e-6)]


def test_every_training_has_a_line_and_a_torn_one_is_passed_over(tmp_path: Path) -> None:
    one = node(tmp_path)
    one.train(TASK)
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write('{"task": 2, "loss": 1.\n[1]\n{"task": 9}\n')
    one.train(replace(TASK, task=3))
    assert [training.task for training in kept(tmp_path)] == [1, 3]


def test_under_noise_of_a_whole_hospital_nothing_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "crossward.node")
    noise = HospitalNoise(HospitalMechanism(2.0, 2, 0.25))
    one = node(tmp_path, sealer=UpdateSealer(noise=noise), limits=Limits("hospital"))
    update = one.train(replace(TASK, plan=(16, 5, 0)))
    assert isinstance(update, Update) and update.loss_sum == 0.0
    assert f"training loss {exact(one):.4f} over 50 tokens; not reported" in caplog.text
    assert kept(tmp_path)[0].loss == exact(one)


def test_a_private_training_keeps_no_loss(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "crossward.node")

    class Price:
        noise_multiplier, alone, total = 1.0, 0.5, 0.5

    class Budget:
        def spend(self) -> Price:
            return Price()

    class Private(ToyLearner):
        units = 10

        def train_private(self, start: Any, version: int, noise_multiplier: float) -> Any:
            return replace(self.train(start, version, 0), loss_sum=0.0)

    one = node(tmp_path, limits=Limits("patient", Budget()))  # type: ignore[arg-type]
    one.learner = Private(0, SCHEDULE)
    assert isinstance(one.train(TASK), Update)
    assert not (tmp_path / FILE_NAME).exists() and "training loss" not in caplog.text


def test_a_full_disk_costs_no_update(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE_NAME).mkdir(parents=True)
    assert isinstance(node(tmp_path).train(TASK), Update)
    assert "trainings.jsonl could not be written" in caplog.text and "that loss is in this log alone" in caplog.text


def test_the_held_out_loss_stands_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "crossward.node")
    one = node(tmp_path)
    measured = one.evaluate(TASK)
    assert f"held-out loss {measured.measures['global'].loss:.4f} at version 0" in caplog.text  # type: ignore[union-attr]
