"""A headless Chromium for tests, driven over a pair of pipes: nothing beyond the browser itself is needed.

    python tests/browser.py PAGE.html PICTURE.png    a picture of the whole page, 1280 pixels wide

Not for: other browsers, or pages from anywhere but a file.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # refuses to start as root otherwise; the only pages are the tests' own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
LIMIT = 300.0  # seconds that the browser may take for an answer on a busy machine


def find() -> str | None:
    """Chromium's path: ``$CHROME``, else the first of its usual names on ``$PATH``."""
    return next(
        (path for name in (os.environ.get("CHROME", ""), *NAMES) if name and (path := shutil.which(name))), None
    )


class Browser:
    """One page. ``events`` are those of the page since it was opened.

    Raises
    ------
    RuntimeError
        the browser went away, took too long, or refused a command.
    """

    def __init__(self, program: str, profile: Path) -> None:
        command, answer = os.pipe(), os.pipe()  # Chromium reads its descriptor 3 and writes its descriptor 4
        shell = f'exec "$0" "$@" 3<&{command[0]} 4>&{answer[1]}'
        self._log = (profile.parent / f"{profile.name}.log").open("wb")
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shell, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(command[0], answer[1]),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        os.close(command[0])
        os.close(answer[1])
        self._commands, self._answers = command[1], answer[0]
        self._buffer, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        try:
            target = self("Target.createTarget", url="about:blank")["targetId"]
            self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self(f"{domain}.enable")
        except (RuntimeError, OSError) as error:
            self.close()
            raise RuntimeError(f"{program} does not start: {error}") from error

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the DevTools protocol and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        text = json.dumps(message | ({"sessionId": self._session} if self._session else {}))
        os.write(self._commands, text.encode() + b"\0")
        while (found := self._read()).get("id") != self._number:
            self._take(found)
        if "error" in found:
            raise RuntimeError(f"{method}: {found['error']}")
        return dict(found["result"])

    def _take(self, message: dict[str, Any]) -> None:
        if "method" in message and message.get("sessionId") == self._session:
            self.events.append(message)

    def _read(self) -> dict[str, Any]:
        until = time.monotonic() + LIMIT
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(until - time.monotonic(), 0.0))
            more = os.read(self._answers, 1 << 20) if ready else b""
            if not more:
                why = "went away" if ready else f"said nothing for {LIMIT:.0f} s"
                raise RuntimeError(f"the browser {why}; its log is {self._log.name}")
            self._buffer += more
        raw, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(raw))

    def open(self, url: str, width: int, height: int = 900) -> None:
        """Load a page and wait until it and its resources are there."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.events.clear()
        self("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._take(self._read())

    def evaluate(self, script: str) -> Any:
        """A JavaScript expression's value."""
        found = self("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{found['exceptionDetails']}")
        return found["result"].get("value")

    def screenshot(self) -> bytes:
        """The whole page as PNG."""
        size = self("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(found["data"])

    def close(self) -> None:
        """End it."""
        os.close(self._commands)  # Chromium goes when nobody commands it any more
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._answers)
        self._log.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(find() or sys.exit("no Chromium is here"), Path(folder) / "profile")
        browser.open(Path(sys.argv[1]).resolve().as_uri(), 1280)
        Path(sys.argv[2]).write_bytes(browser.screenshot())
        browser.close()
