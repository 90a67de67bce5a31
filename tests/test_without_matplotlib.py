"""Without matplotlib the library works, and what draws says how to install it before any work is done."""

from __future__ import annotations

from pathlib import Path

from absent import command_without, run_without


def test_the_library_imports() -> None:
    done = run_without("matplotlib", "import fallline as fl\nfl.optim.Adam(1e-3)")
    assert done.returncode == 0, done.stderr


def test_fit_says_how_to_install_it(tmp_path: Path) -> None:
    done = command_without("matplotlib", ["fit", "digits"], tmp_path)
    assert done.returncode == 2
    assert done.stderr == "fallline: this command needs matplotlib: pip install 'fallline[cli]'\n"
    assert not list(tmp_path.iterdir())
