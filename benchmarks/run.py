"""Measure everything beside its peers and write one Markdown table and one picture.

    python benchmarks/run.py [PART ...] [--only TEXT] [--quick] [--rounds N] [--output FILE]

Parts: steps, landscape, optimizers, kernels, around, growth; all of them by default. Install the peers that shall take
part: torch, jax and optax, scikit-learn, mlx, numexpr. `FALLLINE_DATA` names the folder with mnist.npz for the row that
trains LeNet-5. With `--output docs/benchmarks.md` the tables replace those of that page (training steps also those of
the README) between their marks, and the pictures are drawn beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from fallline import _bench

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- begin: output of benchmarks/run.py -->", "<!-- end: output of benchmarks/run.py -->"


def replace(page: Path, text: str) -> None:
    """Put the text between the marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{page} has no lines '{BEGIN}' and '{END}'")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(_bench.PARTS)}; all by default")
    parser.add_argument("--only", action="append", default=[], help="cases whose name contains this")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no compilers, no large arrays")
    parser.add_argument("--rounds", type=int, help="of which medians are taken")
    parser.add_argument("--output", type=Path, help="a page with marks to be written")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(_bench.PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(_bench.PARTS)}")
    effort = _bench.QUICK if options.quick else _bench.FULL
    effort = dataclasses.replace(effort, rounds=options.rounds or effort.rounds)
    head = f"{_bench.describe()}; medians of {effort.rounds} rounds, in microseconds"
    print(head, flush=True)
    rows = []
    try:
        for row in _bench.run(effort, options.parts, options.only):
            print(row.case, {name: round(t, 2) for name, t in row.times.items()}, file=sys.stderr, flush=True)
            rows.append(row)
    except KeyboardInterrupt:  # half an hour of measurements is worth keeping
        head += "; interrupted, rows are missing"
    text = f"{head}\n\n{_bench.markdown(rows)}"
    print(text)
    if options.output:
        steps = [row for row in rows if row.part == "training step"]
        replace(options.output, text)
        replace(ROOT / "README.md", f"{head}\n\n{_bench.markdown(steps)}")
        images = options.output.parent / "images"
        _bench.picture(rows, images / "benchmarks.png", "Times beside fallline's")
        if growing := [row for row in rows if row.part == "growth"]:
            _bench.growth_picture(growing, images / "growth.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
