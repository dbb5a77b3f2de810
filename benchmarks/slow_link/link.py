"""A slow, lossy link between this machine and a network namespace: real TCP over two TUN devices and a queue between.

Every packet waits for its turn at the link's rate, then travels for the delay, and some are lost. It does what netem
would, without the kernel module. Linux, root.

    with Link("cw0", mbit=2.0, delay=0.1, loss=0.005) as link:
        subprocess.run([*link.inside, "ping", "-c", "3", link.near])

Not for: many links or fast ones; one Python thread carries the packets.
"""

from __future__ import annotations

import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import subprocess
import threading
import time
from types import TracebackType

_TUNSETIFF, _TUN_WITHOUT_HEADER = 0x400454CA, 0x0001 | 0x1000
MTU = 1500


def _tun(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _TUN_WITHOUT_HEADER))
    return device


def _ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True, capture_output=True, text=True)


class _Way:
    """One direction: a queue of at most ``room`` seconds at the link's rate, then the delay."""

    def __init__(self, out: int, mbit: float, delay: float, loss: float, seed: int, room: float) -> None:
        self.out, self.rate, self.delay, self.loss, self.room = out, mbit * 1e6 / 8, delay, loss, room
        self.rng = random.Random(seed)
        self.free = 0.0
        self.flying: list[tuple[float, int, bytes]] = []
        self.count = itertools.count()
        self.carried = self.lost = self.bytes = 0

    def take(self, packet: bytes, now: float) -> None:
        start = max(self.free, now)
        if start - now > self.room or self.rng.random() < self.loss:
            self.lost += 1
            return
        self.free = start + len(packet) / self.rate
        heapq.heappush(self.flying, (self.free + self.delay, next(self.count), packet))

    def deliver(self, now: float) -> float:
        while self.flying and self.flying[0][0] <= now:
            packet = heapq.heappop(self.flying)[2]
            self.carried, self.bytes = self.carried + 1, self.bytes + len(packet)
            try:
                os.write(self.out, packet)
            except OSError:
                self.lost += 1
        return self.flying[0][0] - now if self.flying else 1.0


class Link:
    """``near`` is this machine's address on the link, ``far`` the namespace's; ``inside`` runs a command there.

    Parameters
    ----------
    mbit : rate of either direction, Mbit/s.
    delay : seconds of either direction; the round trip takes twice as long.
    loss : share of packets that are lost.
    """

    def __init__(self, name: str, mbit: float, delay: float, loss: float, subnet: int = 77, seed: int = 0) -> None:
        self.name, self.near, self.far = name, f"10.{subnet}.0.1", f"10.{subnet}.0.2"
        self.inside = ["ip", "netns", "exec", name]
        self._settings = (mbit, delay, loss)
        self._seed = seed
        self._stop = threading.Event()
        self.up: _Way
        self.down: _Way

    def __enter__(self) -> Link:
        mbit, delay, loss = self._settings
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)
        self._here, self._there = _tun(f"{self.name}a"), _tun(f"{self.name}b")
        _ip("netns", "add", self.name)
        _ip("link", "set", f"{self.name}b", "netns", self.name)
        _ip("addr", "add", f"{self.near}/24", "dev", f"{self.name}a")
        _ip("link", "set", f"{self.name}a", "mtu", str(MTU), "up")
        _ip("-n", self.name, "addr", "add", f"{self.far}/24", "dev", f"{self.name}b")
        _ip("-n", self.name, "link", "set", f"{self.name}b", "mtu", str(MTU), "up")
        _ip("-n", self.name, "link", "set", "lo", "up")
        self.up = _Way(self._here, mbit, delay, loss, self._seed, 0.5)
        self.down = _Way(self._there, mbit, delay, loss, self._seed + 1, 0.5)
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._here)
        os.close(self._there)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)

    def _carry(self) -> None:
        wait = 1.0
        while not self._stop.is_set():
            ready, _, _ = select.select([self._here, self._there], [], [], max(0.0, min(wait, 0.2)))
            now = time.monotonic()
            for device in ready:
                try:
                    packet = os.read(device, 65536)
                except OSError:
                    continue
                (self.up if device == self._there else self.down).take(packet, now)
            wait = min(self.up.deliver(now), self.down.deliver(now))
