"""A key for tests alone, made once: looking for its primes takes seconds."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from crossward.encryption.forward.keys import ForwardKey, ForwardPublic


@pytest.fixture(scope="session")
def key() -> ForwardKey:
    public, secret = Path(__file__).with_name("key.txt").read_text("ascii").split("\n\n")
    return ForwardKey(ForwardPublic(base64.b64decode(public)), base64.b64decode(secret))
