"""Running commands in a new process, as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `fallline` with these words in an empty folder."""

    def start(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-m", "fallline", *map(str, words)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=500)

    return start


@pytest.fixture
def data_folder() -> Path:
    """The folder with `mnist.npz` and `housing.csv`."""
    folder = os.environ.get("FALLLINE_DATA")
    if not folder:
        pytest.skip("FALLLINE_DATA does not name the folder with mnist.npz and housing.csv")
    return Path(folder)
