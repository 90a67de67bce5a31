"""Which target runs (R162)?  The best that this CPU has, or the one that FALLLINE_TARGET names."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from fallline import _core

# What each target needs, as the kernel spells a CPU's features; the best comes last.
NEEDS = {
    "scalar": set(),
    "sse4": {"sse4_1", "sse4_2", "ssse3"},
    "avx2": {"avx2", "fma", "bmi1", "bmi2"},
    "avx512": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


def start(target: str | None) -> subprocess.CompletedProcess[str]:
    """Import fallline in a new process and print what it chose."""
    environment = {name: value for name, value in os.environ.items() if name != "FALLLINE_TARGET"}
    if target is not None:
        environment["FALLLINE_TARGET"] = target
    code = "import fallline as fl; print(fl.info()['simd_target'])"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_the_default_is_the_best_that_there_is() -> None:
    assert start(None).stdout.strip() == _core.targets()[-1]
    assert start("").stdout.strip() == _core.targets()[-1]


def test_the_targets_are_those_of_this_cpu() -> None:
    info = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not info.exists():
        if platform.machine().lower() in ("arm64", "aarch64"):
            assert _core.targets() == ["scalar", "neon"]
        return
    flags = set(next(line for line in info.read_text().splitlines() if line.startswith("flags")).split())
    only_avx2 = "avx2" in _core.targets() and "sse4" not in _core.targets()  # as the build with sanitizers
    built = ("scalar", "avx2") if only_avx2 else tuple(NEEDS)
    assert _core.targets() == [target for target in built if NEEDS[target] <= flags]


@pytest.mark.parametrize("name", _core.targets())
def test_the_environment_forces_a_target(name: str) -> None:
    assert start(name).stdout.strip() == name


@pytest.mark.parametrize("name", ["avx1024", "SSE4", "neon" if "neon" not in _core.targets() else "avx2"])
def test_a_target_that_cannot_be_is_an_import_error_with_a_list(name: str) -> None:
    done = start(name)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError:")
    for word in (name, *_core.targets()):
        assert word in last
