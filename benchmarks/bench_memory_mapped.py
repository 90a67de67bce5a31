"""Does training on a file that is larger than memory take memory, or time?  Anonymous memory, and samples per second.

    python benchmarks/bench_memory_mapped.py --gigabytes 8 --folder .

It writes so many gigabytes of float32 numbers to a file and trains on the memory-mapped file, then on an array of one
gigabyte in memory. The first pass warms the page cache, if that has the room.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import fallline as fl

WIDTH = 256


def anonymous() -> float:
    """Return the megabytes of anonymous memory that this process holds."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1]) / 1e3


class Peak(threading.Thread):
    """Looks at the anonymous memory every 10 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.ends = 0.0, threading.Event()

    def run(self) -> None:
        """Look until it is told to end."""
        while not self.ends.wait(0.01):
            self.most = max(self.most, anonymous())


def write(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    block = rng.normal(size=(1 << 16, WIDTH)).astype(np.float32)
    out = np.lib.format.open_memmap(path, "w+", np.float32, (rows, WIDTH))
    for start in range(0, rows, len(block)):
        out[start : start + len(block)] = block[: rows - start]
    out.flush()


def rates(x: np.ndarray, epochs: int, *, shuffle: bool) -> list[float]:
    """Return the samples per second of each epoch."""
    model = fl.nn.Sequential(fl.nn.Linear(WIDTH, 128), fl.nn.ReLU(), fl.nn.Linear(128, 10))
    y = np.zeros(len(x), np.int64)
    times = [time.perf_counter()]

    def clock(*_: object) -> None:
        times.append(time.perf_counter())

    fl.fit(model, x, y, loss="cross_entropy", batch_size=256, epochs=epochs, shuffle=shuffle, callbacks=[clock],
           progress=False)  # fmt: skip
    return [len(x) / seconds for seconds in np.diff(times)[1:]]  # the first epoch has the checks and the plan in it


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=8.0)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    rows = int(given.gigabytes * 1e9 / (4 * WIDTH))
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "x.npy"
        write(path, rows)
        for shuffle in (False, True):
            mapped = np.load(path, mmap_mode="r")
            peak = Peak()
            peak.start()
            on_disk = max(rates(mapped, given.epochs, shuffle=shuffle))
            peak.ends.set()
            part = np.array(mapped[: min(rows, int(1e9 / (4 * WIDTH)))])
            in_memory = max(rates(part, given.epochs, shuffle=shuffle))
            del part
            print(
                f"{'shuffled' if shuffle else 'in order'}: file of {given.gigabytes:g} GB, RssAnon at most "
                f"{peak.most:.0f} MB; {on_disk:,.0f} samples/s mapped, {in_memory:,.0f} in memory "
                f"({100 * on_disk / in_memory:.0f} %)"
            )


if __name__ == "__main__":
    main()
