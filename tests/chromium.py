"""Headless Chromium, driven by the Chrome DevTools Protocol over a pipe."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATH = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [  # with the options that Chromium needs if root starts it
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--disable-dev-shm-usage"),
]
_WAIT_S = 120.0


class Tab:
    """A tab of the browser.

    Attributes:
        messages: what scripts and workers, or the browser about them, wrote to the console.
        requests: the addresses that were asked for, those of the pages themselves among them.
        loads: number of pages that were loaded.
    """

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.loads = 0

    def go(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        loads = self.loads
        self.send("Page.navigate", url=url)
        self._browser.wait(lambda: self.loads > loads)

    def run(self, script: str) -> Any:
        """Return the value, for JSON, of an async function of this body.

        Raises:
            AssertionError: it threw.
        """
        expression = f"(async () => {{{script}}})()"
        options = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        found = self._browser.send("Runtime.evaluate", options, self._session)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def send(self, method: str, **options: Any) -> Any:
        """Send a command of the protocol to the tab."""
        return self._browser.send(method, options, self._session)

    def close(self) -> None:
        """Close the tab."""
        self._browser.send("Target.closeTarget", {"targetId": self._target})


class Browser:
    """A running Chromium, to which descriptors lead: one for commands, and one for answers."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._buffer, self._count = b"", 0
        self._tabs: dict[str, Tab] = {}  # by session, of their workers too

    def tab(self) -> Tab:
        """Open a tab."""
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = {"targetId": target, "flatten": True}
        session = self.send("Target.attachToTarget", attached)["sessionId"]
        tab = self._tabs[session] = Tab(self, session, target)
        self._watch(session)
        self.send("Page.enable", {}, session)
        return tab

    def send(self, method: str, options: dict[str, Any], session: str | None = None) -> Any:
        """Send a command and return its answer; what happens meanwhile is noted."""
        number = self._post(method, options, session)
        end = time.monotonic() + _WAIT_S
        while True:
            answer = self._next(end)
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._note(answer)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until something has happened that is noted in a tab."""
        end = time.monotonic() + _WAIT_S
        while not condition():
            self._note(self._next(end))

    def _post(self, method: str, options: dict[str, Any], session: str | None) -> int:
        self._count += 1
        command = {"id": self._count, "method": method, "params": options}
        if session:
            command["sessionId"] = session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        return self._count

    def _watch(self, session: str) -> None:
        for domain in ("Runtime", "Log", "Network"):
            self._post(f"{domain}.enable", {}, session)
        attach = {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": True}
        self._post("Target.setAutoAttach", attach, session)

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0, end - time.monotonic()))
            assert ready, "Chromium does not answer"
            piece = os.read(self._answers, 1 << 20)
            assert piece, "Chromium has ended"
            self._buffer += piece
        first, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(first)
        return answer

    def _note(self, event: dict[str, Any]) -> None:
        tab, about = self._tabs.get(event.get("sessionId", "")), event.get("params", {})
        if tab is None:
            return
        match event.get("method"):
            case "Page.loadEventFired":
                tab.loads += 1
            case "Target.attachedToTarget":
                self._tabs[about["sessionId"]] = tab
                self._watch(about["sessionId"])
            case "Runtime.consoleAPICalled":
                tab.messages.append(" ".join(str(one.get("value")) for one in about["args"]))
            case "Runtime.exceptionThrown":
                tab.messages.append(str(about["exceptionDetails"]))
            case "Log.entryAdded":
                tab.messages.append(about["entry"]["text"])
            case "Network.requestWillBeSent":
                tab.requests.append(about["request"]["url"])


def _high(descriptor: int) -> int:
    """Return a descriptor above 10 in place of another one."""
    found = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return found


@contextmanager
def chromium(profile: Path, prefix: Sequence[str] = ()) -> Iterator[Browser]:
    """Run Chromium.

    Args:
        profile: folder for its files.
        prefix: a command that starts it, such as taskset.
    """
    # Chromium reads commands from descriptor 3 and answers to 4.
    ends = [_high(end) for end in (*os.pipe(), *os.pipe())]
    read_commands, commands, answers, write_answers = ends

    def place() -> None:
        os.dup2(read_commands, 3)
        os.dup2(write_answers, 4)

    process = subprocess.Popen(
        [*prefix, str(PATH), *QUIET, f"--user-data-dir={profile}", "--remote-debugging-pipe"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(3, 4),
        preexec_fn=place,
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Browser(commands, answers)
    finally:
        os.close(commands)  # which ends Chromium
        os.close(answers)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
