"""Without scikit-learn files can be fitted, and the named data sets say what they need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from absent import command_without


def test_a_named_set_says_how_to_install_it(tmp_path: Path) -> None:
    done = command_without("sklearn", ["fit", "digits"], tmp_path)
    assert done.returncode == 2
    assert done.stderr == "fallline: the data set digits needs scikit-learn: pip install 'fallline[cli]'\n"


def test_an_archive_is_fitted(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    np.savez(tmp_path / "d.npz", x=x, y=x[:, 0] > 0)
    done = command_without("sklearn", ["fit", "d.npz", "--epochs", "1"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.safetensors").exists()
