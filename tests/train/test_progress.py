"""Progress: a bar on a terminal and in a notebook, nothing elsewhere and nothing when it is not wanted."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.train.callbacks import _progress


def run(**facts: Any) -> None:
    x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    fl.fit(fl.nn.Linear(1, 1), x, 2 * x, loss="mse", epochs=2, **facts)


def kernel(monkeypatch: pytest.MonkeyPatch, shell: Any) -> None:
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)


def test_a_notebook_shows_the_steps_and_the_last_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tqdm")
    kernel(monkeypatch, types.SimpleNamespace(kernel=object()))
    run()
    shown = capsys.readouterr().err
    assert "4/4" in shown  # two epochs of two steps
    assert "loss=" in shown
    run(progress=False)
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar_and_a_pipe_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tqdm")
    kernel(monkeypatch, types.SimpleNamespace())  # IPython in a terminal has no kernel
    assert not _progress.in_notebook()
    run()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run()
    assert "/4 [" in capsys.readouterr().err  # and is gone at the end
