"""Without safetensors nothing is saved, and the error says how to install it."""

from __future__ import annotations

from pathlib import Path

from absent import command_without, run_without


def test_saving_says_how_to_install_it(tmp_path: Path) -> None:
    code = "import fallline as fl\nfl.save('m.safetensors', fl.nn.Sequential(fl.nn.Linear(2, 1)))"
    done = run_without("safetensors", code, tmp_path)
    assert done.stderr.endswith("saving and loading need safetensors: pip install 'fallline[io]'\n")
    assert not list(tmp_path.iterdir())


def test_fit_says_so_before_training(tmp_path: Path) -> None:
    done = command_without("safetensors", ["fit", "digits"], tmp_path)
    assert done.returncode == 2
    assert done.stderr == "fallline: this command needs safetensors: pip install 'fallline[cli]'\n"
