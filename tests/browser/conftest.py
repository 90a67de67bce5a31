"""A browser for the whole session, the page from a server and from a file, at desktop and phone size."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import CHROMIUM, SIZES, Page, chromium

from fallline.playground import Server, compose


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, if it is here."""
    if importlib.util.find_spec("playwright") is None or not Path(CHROMIUM).exists():
        pytest.skip(f"playwright or {CHROMIUM} is not installed")
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The local server."""
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield found
        found.shutdown()


@pytest.fixture(scope="session")
def file_address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page as a file."""
    path = tmp_path_factory.mktemp("page") / "lab.html"
    path.write_text(compose(), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="session", params=["file", "server"])
def address(request: pytest.FixtureRequest, server: Server, file_address: str) -> str:
    """Where the page comes from."""
    return file_address if request.param == "file" else server.url


@pytest.fixture
def tab(browser: Any) -> Iterator[Callable[..., Page]]:
    """Open tabs: `tab(size="phone", color_scheme="dark", ...)`; each must leave a silent console."""
    opened: list[Page] = []
    contexts: list[Any] = []

    def open_tab(size: str = "desktop", **options: Any) -> Page:
        width, height = SIZES[size]
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        contexts[-1].set_default_timeout(10_000)
        opened.append(Page(contexts[-1].new_page()))
        return opened[-1]

    yield open_tab
    said = [line for page in opened for line in page.console]
    strange = [url for page in opened for url in page.requests if not url.startswith(OWN)]
    for context in contexts:
        context.close()
    assert not said
    assert not strange


OWN = ("file:///", "http://127.0.0.1:", "data:", "blob:", "about:")
