"""`import fallline` is quick (R164): it loads few modules, and little beside what NumPy loads anyway.

The time that an import takes follows from how many modules it loads and how much is in them, which a busy machine does
not change.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys
before = set(sys.modules)
import numpy
numpy_alone = set(sys.modules) - before
import fallline
added = set(sys.modules) - before - numpy_alone
files = lambda names: {name: getattr(sys.modules[name], "__file__", None) for name in names}
print(json.dumps([files(numpy_alone), files(added)]))
"""
STANDARD = {"__future__", "copy", "dataclasses", "threading"}  # beside those that NumPy loads


def loaded() -> list[dict[str, str | None]]:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    found: list[dict[str, str | None]] = json.loads(done.stdout)
    return found


def source(modules: dict[str, str | None]) -> int:
    """Return the bytes of Python that the modules consist of."""
    return sum(Path(path).stat().st_size for path in modules.values() if path and path.endswith(".py"))


def test_few_modules_are_loaded() -> None:
    _, added = loaded()
    ours = {name for name in added if name.split(".")[0] == "fallline"}
    assert len(ours) <= 40
    for late in ("fallline.optim", "fallline.nn", "fallline.train", "fallline.data", "fallline._cli"):
        assert late not in ours
    # Newer versions of Python and NumPy may leave a module of theirs to us; a library would bring dozens.
    assert len(added.keys() - ours - STANDARD) <= 5, added.keys() - ours - STANDARD


def test_they_are_small_beside_numpy() -> None:
    numpy_alone, added = loaded()
    assert source(numpy_alone) > 1_000_000
    assert source(added) < 0.15 * source(numpy_alone)
