"""Results: a table where a person looks, plain lines elsewhere, and a picture of the history."""

from __future__ import annotations

import io
import sys

import pytest

from fallline._cli.report import draw_history, plain_line, show_results

RESULTS = {"train": {"r2": 0.9, "rmse": 50123.44, "loss": 0.1}, "test": {"r2": 0.73124, "rmse": 3.14159, "loss": 0.25}}


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show_results(RESULTS)
    assert (
        capsys.readouterr().out == "train r2 0.9000 rmse 50123.4 loss 0.1000\ntest r2 0.7312 rmse 3.142 loss 0.2500\n"
    )
    assert plain_line("test", {"accuracy": 0.9771, "loss": 0.0803}) == "test accuracy 0.9771 loss 0.0803"


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    show_results(RESULTS)
    shown = sys.stdout.getvalue()  # type: ignore[attr-defined]
    for word in ("split", "r2", "rmse", "loss", "train", "test", "0.7312", "50123.4"):
        assert word in shown
    assert "test r2" not in shown


def test_the_picture_shows_what_was_recorded() -> None:
    pytest.importorskip("matplotlib")
    history = {"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "accuracy": [0.5, 0.8]}
    one, two = draw_history({"loss": [1.0, 0.5]}), draw_history(history)
    assert one.startswith(b"\x89PNG")
    width = [int.from_bytes(picture[16:20], "big") for picture in (one, two)]
    assert width == [750, 1500]  # one panel, two panels
    assert draw_history(history) == two
