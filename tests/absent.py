"""Runs Python as if an optional library were not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOOK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def run_without(library: str, code: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `code` in a new interpreter where `library` (several: comma) cannot be imported."""
    program = HOOK.format(names=set(library.split(","))) + code
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )


def command_without(library: str, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in such an interpreter."""
    return run_without(library, f"from fallline.cli import main\nsys.exit(main({arguments!r}))", folder)
