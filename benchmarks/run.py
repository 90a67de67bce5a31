"""Measure everything beside its peers and write one Markdown table and one picture.

    python benchmarks/run.py [PART ...] [--only TEXT] [--quick] [--rounds N] [--output FILE]

Parts: steps, optimizers, kernels, around, growth; all of them by default. Install the peers that shall take part:
torch, jax and optax, scikit-learn, mlx, numexpr. `FALLLINE_DATA` names the folder with mnist.npz for the row that
trains LeNet-5. With `--output docs/benchmarks.md` each part that was measured replaces its table between its marks
there (training steps also in the README), and the pictures are drawn whose rows were all measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from fallline import _bench

ROOT = Path(__file__).parents[1]
PAGE_OF_STEPS = ROOT / "README.md"


def replace(page: Path, part: str, text: str) -> None:
    """Put the text between the marks of a part on a page."""
    begin, end = (f"<!-- {edge}: output of benchmarks/run.py {part} -->" for edge in ("begin", "end"))
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{page} has no lines '{begin}' and '{end}'")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def write(tables: dict[str, list[_bench.Row]], head: str, page: Path) -> None:
    """Replace the tables of these parts and the pictures made of them."""
    for part, rows in tables.items():
        text = f"{head}\n\n{_bench.markdown(rows)}"
        replace(page, part, text)
        if part == "steps":
            replace(PAGE_OF_STEPS, part, text)
    images = page.parent / "images"
    if "growth" in tables:
        _bench.growth_picture(tables["growth"], images / "growth.png")
    if set(tables) == set(_bench.PARTS):
        rows = [row for found in tables.values() for row in found]
        _bench.picture(rows, images / "benchmarks.png", "Times beside fallline's")


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
    if options.output and options.only:
        parser.error("--output writes whole tables, --only measures a few of their rows: leave out one of them")
    effort = _bench.QUICK if options.quick else _bench.FULL
    effort = dataclasses.replace(effort, rounds=options.rounds or effort.rounds)
    head = f"{_bench.describe()}; medians of {effort.rounds} rounds, in microseconds"
    print(head, flush=True)
    tables: dict[str, list[_bench.Row]] = {}
    rows: list[_bench.Row] = []
    try:
        for part in options.parts or _bench.PARTS:
            rows = []
            for row in _bench.run(effort, [part], options.only):
                print(row.case, {name: round(t, 2) for name, t in row.times.items()}, file=sys.stderr, flush=True)
                rows.append(row)
            tables[part] = rows
            rows = []
    except KeyboardInterrupt:  # the parts that are complete are worth keeping
        print(f"interrupted: of the last part there are only\n\n{_bench.markdown(rows)}\n")
    print(f"{head}\n\n{_bench.markdown([row for found in tables.values() for row in found])}")
    if options.output:
        write(tables, head, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
