"""What all tests share: settings that are put back, the real data, and a word on which SIMD targets ran."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fallline import _core

_runs: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _settings_are_put_back() -> Iterator[None]:
    target, threads, dtype = _core.target(), _core.num_threads(), _core.default_dtype()
    yield
    _core.set_target(target)
    _core.set_num_threads(threads)
    _core.set_default_dtype(dtype)


@pytest.fixture
def data_folder() -> Path:
    """The folder with `mnist.npz` and `housing.csv`."""
    folder = os.environ.get("FALLLINE_DATA")
    if not folder:
        pytest.skip("FALLLINE_DATA does not name the folder with mnist.npz and housing.csv")
    return Path(folder)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let runs that repeat the suite leave out what the first one did."""
    parser.addoption(
        "--forced-targets",
        choices=("all", "active"),
        default="all",
        help="tests that force a SIMD target: on every one, or only on the active one",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that --forced-targets asks for."""
    if config.getoption("--forced-targets") == "active":
        items[:] = [item for item in items if _target(item) in (None, _core.target())]


def _target(item: pytest.Item) -> str | None:
    value = getattr(getattr(item, "callspec", None), "params", {}).get("target")
    return value if isinstance(value, str) else None


def pytest_runtest_call(item: pytest.Item) -> None:
    """Count the tests that name a target."""
    target = _target(item)
    if target is not None:
        _runs[target] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which targets ran."""
    counts = ", ".join(f"{target} ({_runs[target]} tests)" for target in _core.targets())
    terminalreporter.write_line(f"SIMD targets: {counts}; all others ran on {_core.target()}")
