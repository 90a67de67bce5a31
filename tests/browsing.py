"""What the browser tests share: a page in headless Chromium that keeps its console and its requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

CHROMIUM = "/usr/bin/chromium"
SIZES = {"desktop": (1280, 900), "phone": (360, 740)}
BITS = "(a) => Array.from(new Uint8Array(new Float64Array(a).buffer))"


class Page:
    """A tab with the playground, and what a person does in it."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.console: list[str] = []
        self.requests: list[str] = []
        tab.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        tab.on("request", lambda request: self.requests.append(request.url))

    def open(self, address: str, state: str = "") -> Page:
        """Load the page with this state, and wait until it stands."""
        self.tab.goto("about:blank")
        self.tab.goto(address + ("#" + state if state else ""))
        self.tab.wait_for_function("document.getElementById('playground').fallline !== undefined")
        return self

    def ask(self, expression: str, argument: Any = None) -> Any:
        """Evaluate `(page, argument) => expression`, where page is what `mount` returned."""
        return self.tab.evaluate(
            f"(argument) => {{ const page = document.getElementById('playground').fallline; return {expression}; }}",
            argument,
        )

    def points(self, run: int = 0, lab: str = "optimizers") -> np.ndarray:
        """Return the path of a run with all its bits."""
        found = self.ask(f"({BITS})(page.labs.{lab}.results()[{run}].result.points)")
        return np.frombuffer(bytes(found), np.float64).reshape(-1, 2)

    def spec(self, run: int = 0, lab: str = "optimizers") -> dict[str, Any]:
        """Return what the engine was asked for, but for the data of a line."""
        found = self.ask(f"JSON.stringify({{...page.labs.{lab}.results()[{run}].spec, line: undefined}})")
        return dict(json.loads(found))

    def state(self) -> str:
        """Return the part of the address after #, once it is written."""
        self.tab.wait_for_timeout(220)
        return str(self.tab.evaluate("location.hash.slice(1)"))


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser of the system."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
