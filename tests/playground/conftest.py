"""The engine of the page, run by node."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline

FOLDER = Path(fallline.__file__).parent / "playground"
MODULE = os.environ.get("FALLLINE_WASM", str(FOLDER / "fallline.wasm"))  # another build of it
DRIVE = Path(__file__).parent / "drive.mjs"
DTYPES = {"Float64Array": "<f8", "Int32Array": "<i4"}

Engine = Callable[..., list[Any]]


def decoded(value: Any) -> Any:
    """Turn what the driver wrote into arrays and numbers."""
    if isinstance(value, dict) and value.keys() == {"type", "bytes"}:
        return np.frombuffer(base64.b64decode(value["bytes"]), DTYPES[value["type"]])
    if isinstance(value, dict):
        return {key: decoded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [decoded(inner) for inner in value]
    return float(value.replace("Infinity", "inf")) if value in ("NaN", "Infinity", "-Infinity") else value


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Return a function that takes calls of the engine, lists of a name and arguments, and returns the results."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node")
    command = [node, str(DRIVE), str(FOLDER / "engine.js"), MODULE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        told, heard = process.stdin, process.stdout

        def ask(*calls: list[Any]) -> list[Any]:
            told.write(json.dumps(calls) + "\n")
            told.flush()
            answers = json.loads(heard.readline())
            return [RuntimeError(a["error"]) if "error" in a else decoded(a["value"]) for a in answers]

        yield ask


@pytest.fixture(scope="session")
def tables(engine: Engine) -> dict[str, Any]:
    """Return the engine's tables."""
    names = ["rules", "landscapes", "schedules", "wholeTensor", "presets"]
    return dict(zip(names, engine(*[[name] for name in names]), strict=True))
