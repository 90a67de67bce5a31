"""Which machine and which versions?  One line above every table."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

import fallline as fl


def describe(*peers: str) -> str:
    """Return the processor, the number of threads, the SIMD target and the versions of everyone who is here."""
    versions = {"fallline": fl.__version__, "numpy": importlib.metadata.version("numpy")}
    for peer in peers:
        try:
            versions[peer] = importlib.metadata.version(peer)
        except importlib.metadata.PackageNotFoundError:
            versions[peer] = "not installed"
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    target = fl.info()["simd_target"]
    return f"{processor()}, {fl.get_num_threads()} threads, {target}, Python {platform.python_version()}, {named}"


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
