"""A headless Chromium for tests, driven through its own pipe: a real browser, and no package to install for it.

Messages are those of the Chrome DevTools Protocol, in JSON, each ended by a zero byte.
"""

import json
import os
import shutil
import subprocess
from itertools import count
from pathlib import Path
from select import select

NAMES = ("chromium", "google-chrome")
PATIENCE = 60  # seconds for an answer
OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",  # which an administrator's account, such as that of a container, cannot have
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing is asked of any network
)


def find_chromium():
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One page in a browser that ends with the `with` block."""

    def __init__(self, program, profile: Path):
        # The browser reads from its file 3 and writes to its file 4.
        shell = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1'
        command = ["sh", "-c", shell, program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.numbers, self.buffer, self.session = count(1), b"", None
        self.events = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        try:
            self.process.communicate(timeout=PATIENCE)  # closes its pipe, on which it ends
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def send(self, method, **parameters):
        """Ask for something and wait for the answer; what happens meanwhile is kept in `events`."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        self.process.stdin.flush()
        while (answer := self._receive()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _receive(self):
        while b"\0" not in self.buffer:
            output = self.process.stdout.fileno()
            assert select([output], [], [], PATIENCE)[0], f"the browser has not answered for {PATIENCE} seconds"
            chunk = os.read(output, 1 << 16)
            assert chunk, "the browser has ended"
            self.buffer += chunk
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def open(self, path, *, width=1280, height=900):
        """Show a file in a window of that size, and wait until it is loaded."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.events.clear()
        self.send("Page.navigate", url=Path(path).as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def value(self, expression):
        """What an expression of JavaScript gives, as a JSON value."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, selector):
        """Press and release the mouse in the middle of the first element of a CSS selector."""
        find = f"document.querySelector({json.dumps(selector)})"
        self.value(f"{find}.scrollIntoView({{block: 'center'}})")
        x, y = self.value(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({find}.getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key, code):
        """Press and release a key, such as "ArrowDown", 40."""
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)
