"""A headless Chromium, driven by its own protocol over pipes: no package is needed."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any

_KEYS = {
    "Enter": 13, "Escape": 27, "Tab": 9, "Backspace": 8, "Delete": 46, "End": 35, "Home": 36,
    "ArrowDown": 40, "ArrowUp": 38, "F1": 112, "F2": 113,
}  # fmt: skip
_MODIFIERS = {"Alt": 1, "Ctrl": 2, "Shift": 8}


class Browser:
    """One page of a browser."""

    def __init__(self, program: str, profile: Path, width: int = 1400, height: int = 880) -> None:
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        # It reads from 3 and writes to 4; what stands at higher numbers is not overwritten.
        given = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]
        shell = f'exec "$0" "$@" 3<&{given[0]} 4>&{given[1]}'
        self._process = subprocess.Popen(
            [
                "/bin/bash", "-c", shell, program, "--headless=new", "--no-sandbox",
                "--remote-debugging-pipe", f"--user-data-dir={profile}", "--disable-gpu",
                "--disable-dev-shm-usage", "--hide-scrollbars", f"--window-size={width},{height}",
                "about:blank",
            ],
            pass_fds=given,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for descriptor in (theirs_in, theirs_out, *given):
            os.close(descriptor)
        self._read, self._write = ours_in, ours_out
        self._buffer = b""
        self._number = 0
        targets = self._ask("Target.getTargets", session=False)["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self._ask(
            "Target.attachToTarget",
            {"targetId": page["targetId"], "flatten": True},
            session=False,
        )
        self._session = attached["sessionId"]
        self.ask("Page.enable")
        self.ask("Emulation.setFocusEmulationEnabled", {"enabled": True})
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", metrics)

    def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the page answers to a method of the protocol."""
        return self._ask(method, params)

    def _ask(
        self, method: str, params: dict[str, Any] | None = None, *, session: bool = True
    ) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise TimeoutError("the browser does not answer")
            part = os.read(self._read, 1 << 20)
            if not part:
                raise RuntimeError("the browser has gone")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def go(self, address: str) -> None:
        self.ask("Page.navigate", {"url": address})

    def value(self, script: str) -> Any:
        """Return what a script gives."""
        given = {"expression": script, "returnByValue": True, "awaitPromise": True}
        answer = self.ask("Runtime.evaluate", given)
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 60) -> Any:
        """Wait until a script gives what is true."""
        deadline = time.monotonic() + seconds
        while not (found := self.value(script)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"never true: {script}")
            time.sleep(0.1)
        return found

    def press(self, chord: str) -> None:
        """Press keys together: `Ctrl+Shift+P`."""
        *held, key = chord.split("+")
        modifiers = sum(_MODIFIERS[name] for name in held)
        code = _KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
        name = key.lower() if len(key) == 1 else key
        event = {"modifiers": modifiers, "windowsVirtualKeyCode": code, "key": name}
        if len(key) == 1 and key.isalpha():
            event["code"] = f"Key{key.upper()}"
        else:
            event["code"] = key
        text = {"text": "\r"} if key == "Enter" else {}
        self.ask("Input.dispatchKeyEvent", {"type": "keyDown", **event, **text})
        self.ask("Input.dispatchKeyEvent", {"type": "keyUp", **event})
        time.sleep(0.15)

    def write(self, text: str) -> None:
        self.ask("Input.insertText", {"text": text})
        time.sleep(0.15)

    def point(self, script: str, *, click: bool = True) -> None:
        """Click, or point at, the middle of the element that a script gives."""
        place = self.wait(
            f"(() => {{ const e = {script}; if (!e) return null;"
            " const r = e.getBoundingClientRect();"
            " return r.width ? [r.x + r.width / 2, r.y + r.height / 2] : null; })()"
        )
        at = {"x": place[0], "y": place[1]}
        self.ask("Input.dispatchMouseEvent", {"type": "mouseMoved", **at})
        if click:
            button = {**at, "button": "left", "clickCount": 1}
            self.ask("Input.dispatchMouseEvent", {"type": "mousePressed", **button})
            self.ask("Input.dispatchMouseEvent", {"type": "mouseReleased", **button})
        time.sleep(0.2)

    def picture(self, path: Path) -> None:
        """Write what is seen as a PNG."""
        time.sleep(0.5)
        found = self.ask("Page.captureScreenshot", {"format": "png"})
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
