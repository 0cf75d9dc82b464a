"""Chromium without a window, spoken to through a pair of pipes by its DevTools protocol: nothing
but the browser is needed.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_S = 120
SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
    " --disable-extensions --disable-default-apps --hide-scrollbars --force-device-scale-factor=1"
    " --remote-debugging-pipe"
).split()
KEYS = {
    "ArrowDown": 40,
    "ArrowUp": 38,
    "ArrowLeft": 37,
    "ArrowRight": 39,
    "Enter": 13,
    "Escape": 27,
    "Home": 36,
    "End": 35,
    "Tab": 9,
    "Backspace": 8,
    "PageDown": 34,
}


def chromium() -> str | None:
    """The browser, where there is one: `GLOWPLUG_TEST_CHROMIUM`, else Debian's, else Google's."""
    named = os.environ.get("GLOWPLUG_TEST_CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome")
    return named or next((found for name in names if (found := shutil.which(name))), None)


class Page:
    """A tab. `complaints` are errors and warnings of its console, `requests` what it asked for."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self.session = session
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.loaded = False

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Calls a method of the protocol and waits for its answer."""
        return self.browser.call(method, parameters, self.session)

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def open(self, path: Path) -> None:
        """Opens a page of ours and waits until its script says that it is ready."""
        self.loaded = False
        answer = self.call("Page.navigate", url=path.as_uri())
        assert "errorText" not in answer, answer
        while not self.loaded:
            self.browser.listen()
        self.until("document.documentElement.dataset.ready === 'true'")

    def until(self, condition: str) -> None:
        """Waits until a condition holds, looking whenever a frame is drawn."""
        self.run(
            "new Promise((done) => { const look = () =>"
            f" ({condition}) ? done() : requestAnimationFrame(look); look(); }})"
        )

    def press(self, key: str, *, shift: bool = False) -> None:
        """Presses and releases a key."""
        event: dict[str, Any] = {"key": key, "modifiers": 8 if shift else 0}
        if key in KEYS:
            event |= {"code": key, "windowsVirtualKeyCode": KEYS[key]}
        if len(key) == 1 or key == "Enter":
            event["text"] = "\r" if key == "Enter" else key
        self.call("Input.dispatchKeyEvent", type="keyDown", **event)
        event.pop("text", None)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def write(self, text: str) -> None:
        """Writes into what has the focus."""
        for letter in text:
            self.press(letter)

    def click(self, x: float, y: float) -> None:
        """Clicks at a place of the window."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def text(self, selector: str) -> str:
        """The text of the first element of a selector."""
        return self.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def emulate(self, *, width: int = 1440, height: int = 1000, **media: str) -> None:
        """Sets the window's size and media features, as `prefers_color_scheme="dark"`."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": k.replace("_", "-"), "value": v} for k, v in media.items()]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path) -> None:
        """Writes what is seen as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def note(self, method: str, parameters: dict[str, Any]) -> None:
        """Takes an event of the browser."""
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.complaints.append(json.dumps(parameters["args"]))


class Browser:
    """A running Chromium."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer = b""
        self._last = 0
        self._pages: dict[str, Page] = {}

    def page(self) -> Page:
        """A new tab, which is listened to."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        answer = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        page = Page(self, answer["sessionId"])
        self._pages[page.session] = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.emulate(prefers_reduced_motion="reduce")
        return page

    def call(
        self, method: str, parameters: dict[str, Any], session: str | None = None
    ) -> dict[str, Any]:
        """Calls a method and returns its result; events before it are given to their pages."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self.listen()
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def listen(self) -> dict[str, Any]:
        """The next message; an event is given to its page as well."""
        message = self._receive()
        page = self._pages.get(message.get("sessionId", ""))
        if page and "method" in message:
            page.note(message["method"], message["params"])
        return message

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], PATIENCE_S)
            assert ready, f"the browser has been silent for {PATIENCE_S} s"
            data = os.read(self._from, 1 << 16)
            assert data, "the browser has ended"
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)


@contextmanager
def browser(program: str, folder: Path) -> Iterator[Browser]:
    """A browser with a new profile in `folder`; it ends with the block."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()

    # High numbers first, so that neither lies where the other shall be.
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (to_read, from_write)]

    def connect() -> None:
        os.dup2(theirs[0], 3)
        os.dup2(theirs[1], 4)

    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *SWITCHES, f"--user-data-dir={folder / 'user-data'}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=connect,
            pass_fds=(3, 4),
        )
    for fd in (to_read, from_write, *theirs):
        os.close(fd)
    try:
        yield Browser(to_write, from_read)
    finally:
        # It ends when nobody speaks to it any more.
        os.close(to_write)
        os.close(from_read)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
