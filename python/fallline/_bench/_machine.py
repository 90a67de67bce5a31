"""Which machine and which versions?  One line above every table."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

from fallline import __version__, get_num_threads, info
from fallline._bench._measure import peak, sweep

PEERS = ("numpy", "torch", "jax", "optax", "scikit-learn", "mlx")


def describe() -> str:
    """Return the processor, its limits, the threads, the SIMD target and the versions of everyone who is here."""
    versions = {"Python": platform.python_version(), "fallline": __version__}
    for peer in PEERS:
        try:
            versions[peer] = importlib.metadata.version(peer)
        except importlib.metadata.PackageNotFoundError:
            continue
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    rate = 28 * 8_000_000 / sweep(8_000_000, 4) / 1e9
    limits = f"{peak() / 1e9:.0f} GFLOP/s float32, {rate:.0f} GB/s reading 4 arrays of 32 MB and writing 3"
    return f"{processor()}, {get_num_threads()} threads, {info()['simd_target']}; {limits}; {named}"


def processor() -> str:
    """Return the name of the processor."""
    text = Path("/proc/cpuinfo")
    lines = text.read_text().splitlines() if text.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
