"""A run's ledger to draw, see ``tests.story``, and a browser that a file of tests draws its pages in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import Browser, find
from tests.story import story

__all__ = ["story"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find()
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium, or set CHROME to the program of one")
    try:
        one = Browser(program, tmp_path_factory.mktemp("browser") / "profile")
    except RuntimeError as error:  # as Ubuntu's placeholder for a snap
        pytest.skip(f"{error}; set CHROME to a Chromium that does")
    yield one
    one.close()
