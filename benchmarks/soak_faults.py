"""Faults of a soak: of the network, of nodes, and of nodes' disks.

Not for: what hospitals say (``benchmarks.soak_lies``), when a fault comes (``benchmarks.soak_trouble``).
"""

from __future__ import annotations

import shutil

from benchmarks.soak_hospitals import Outcomes, flower_error
from benchmarks.soak_trouble import PAUSE, Act, Call, fault
from crossward.protocol.messages import TRAIN
from crossward.simulation.virtual_grid import Speed

# ---------------------------------------------------------------------- the network


@fault("request lost")
def _(call: Call) -> Outcomes:
    return []


@fault("reply lost")
def _(call: Call) -> Outcomes:
    call.handle()
    return []


@fault("reply twice")
def _(call: Call) -> Outcomes:
    reply = call.handle()
    return [(0.0, reply), (call.rng.choice((0.0, call.rng.uniform(0, PAUSE))), reply)]


@fault("reply after its deadline")
def _(call: Call) -> Outcomes:
    return [((call.message.metadata.ttl or 0.0) + call.rng.uniform(0, PAUSE), call.handle())]


@fault("reply overtaken by others")
def _(call: Call) -> Outcomes:
    return [(call.rng.uniform(0, 60), call.handle())]


def _error(code: int, works: bool) -> Act:
    def act(call: Call) -> Outcomes:
        if works:
            call.handle()
        return [(call.rng.uniform(0, 30), flower_error(call.message, code))]

    return act


for _code in (2, 3, 5):
    fault(f"Flower error {_code}, the node did nothing")(_error(_code, False))
    fault(f"Flower error {_code}, the node had done its work")(_error(_code, True))


# ---------------------------------------------------------------------- nodes and their disks


def _dying(when: str) -> Act:
    def act(call: Call) -> Outcomes:
        call.hospital.dies = when
        call.handle()
        return []

    return act


fault("node killed while it trains", TRAIN)(_dying("training"))
fault("node killed while it saves", TRAIN)(_dying("saving"))
fault("node killed after it saved", TRAIN)(_dying("saved"))


@fault("node restarted")
def _(call: Call) -> Outcomes:
    call.hospital.restart()
    call.grid.nodes[call.node].app = call.hospital.app
    return [(0.0, call.handle())]


@fault("node's state lost", wipes=True)
def _(call: Call) -> Outcomes:
    call.hospital.lose_state()
    return [(0.0, call.handle())]


@fault("node's state.json damaged", wipes=True)
def _(call: Call) -> Outcomes:
    path = call.hospital.store().path
    if path.exists():
        data = path.read_bytes()
        path.write_bytes(call.rng.choice((b"", data[:-9], b"{}", b"\xff" * 20)))
        call.hospital.repair, call.hospital.wiped = 2, True
    return [(0.0, call.handle())]


@fault("node's arrays truncated", wipes=True)
def _(call: Call) -> Outcomes:
    for path in call.hospital.folder.glob("arrays-*.npz"):
        path.write_bytes(path.read_bytes()[:-30])
        call.hospital.repair, call.hospital.wiped = 2, True
    return [(0.0, call.handle())]


@fault("node's disk back from a backup", wipes=True)
def _(call: Call) -> Outcomes:
    folder, number = call.hospital.folder, call.hospital.number
    if folder.exists():
        backup = folder.with_name(f"{folder.name}.backup")
        if number in call.world.backups:
            call.hospital.wiped = True
            heads = (folder / "heads.jsonl").read_bytes() if (folder / "heads.jsonl").exists() else b""
            shutil.rmtree(folder)
            shutil.copytree(backup, folder)
            (folder / "heads.jsonl").write_bytes(heads)
        shutil.rmtree(backup, ignore_errors=True)
        shutil.copytree(folder, backup)
        call.world.backups[number] = backup
    return [(0.0, call.handle())]


@fault("node's copy changed on its disk", wipes=True)
def _(call: Call) -> Outcomes:
    hospital = call.hospital
    state = hospital.store().load(hospital.layout())
    for values in state.copy.values.values():
        values[0] += call.rng.randint(1, 1000)
        hospital.wiped = True
    if state.copy.values:
        hospital.store().save(state)
    return [(0.0, call.handle())]


@fault("node leaves and comes back")
def _(call: Call) -> Outcomes:
    call.grid.nodes[call.node].joins = call.grid.clock.now() + call.rng.uniform(30, PAUSE)
    return [(49.0, flower_error(call.message, 5))]


@fault("node comes back under another id")
def _(call: Call) -> Outcomes:
    if call.rng.random() < 0.5:
        call.handle()
    old = call.grid.disconnect(call.node)
    call.hospital.restart()
    call.grid.connect(call.hospital, old.speed, call.grid.clock.now() + call.rng.uniform(0, PAUSE))
    return [(49.0, flower_error(call.message, 5))]


@fault("node comes back under another id, its reply on its way")
def _(call: Call) -> Outcomes:
    reply = call.handle()
    old = call.grid.disconnect(call.node)
    call.hospital.restart()
    wait = old.speed.seconds(1 << 17) + call.rng.uniform(1, PAUSE)
    call.grid.connect(call.hospital, old.speed, call.grid.clock.now() + wait)
    return [(0.0, reply)]


@fault("newcomer", most=3)
def _(call: Call) -> Outcomes:
    if (new := call.world.newcomer()) is not None:
        speed = Speed(50.0, 0.1, call.rng.uniform(5, 30))
        call.grid.connect(new, speed, call.grid.clock.now() + call.rng.uniform(0, 60))
    return [(0.0, call.handle())]
