"""What the package supports is what is tested: the oldest Python and NumPy that it allows, and the newest."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
WORKFLOW = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
RUN = (ROOT / ".ci/run").read_text(encoding="utf-8")


def allowed(pattern: str) -> str:
    found = re.search(pattern, PROJECT, re.MULTILINE)
    assert found
    return found[1]


OLDEST_PYTHON = allowed(r'^requires-python = ">=([0-9.]+)"$')
OLDEST_NUMPY = allowed(r'^dependencies = \["numpy>=([0-9.]+)"\]$')


def test_the_oldest_and_the_newest_python_are_tested_everywhere() -> None:
    matrix = re.search(r"^ +python: \[(.*)\]$", WORKFLOW, re.MULTILINE)
    assert matrix
    oldest, newest = re.findall(r'"([0-9.]+)"', matrix[1])
    wheels = re.findall(r"cp3(\d+)-", allowed(r"^build = \[(.*)\]$"))
    assert oldest == OLDEST_PYTHON
    assert newest == f"3.{max(map(int, wheels))}"
    assert f"3.{min(map(int, wheels))}" == OLDEST_PYTHON


def test_the_oldest_numpy_is_tested() -> None:
    assert f'python: "{OLDEST_PYTHON}", numpy: "{OLDEST_NUMPY}"' in WORKFLOW
    assert "beside oldest oldest" in RUN  # which reads the version where this test does
    assert 'dependencies = \\["numpy>=' in RUN
    assert tuple(map(int, OLDEST_NUMPY.split("."))) <= tuple(map(int, np.__version__.split(".")[:2]))
