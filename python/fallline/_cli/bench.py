"""``fallline bench``: the one-minute form of the benchmarks."""

from __future__ import annotations

import sys

from fallline.data import InputError


def run(parts: list[str] | None, only: str) -> int:
    """Measure, with a line for every case on stderr, and print the tables."""
    from fallline import _bench  # it looks for peers

    if unknown := set(parts or ()) - set(_bench.PARTS):
        raise InputError(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(_bench.PARTS)}")
    machine = _bench.describe()
    rows = []
    for row in _bench.run(_bench.QUICK, parts or (), [only]) if parts or only else _bench.run_brief():
        print(f"{row.case}: {row.ours:.2f} us", file=sys.stderr, flush=True)
        rows.append(row)
    if not rows:
        raise InputError(f"no case is named like '{only}'")
    print(f"{machine}; medians in microseconds\n\n{_bench.markdown(rows)}")
    return 0
