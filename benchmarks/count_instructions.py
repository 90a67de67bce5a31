"""How many instructions does a training step take?  Free of noise, so that a later change can be compared.

    python benchmarks/count_instructions.py              print the counts beside the recorded ones
    python benchmarks/count_instructions.py --only S1    of one case, in two minutes
    python benchmarks/count_instructions.py --record     and write benchmarks/instructions.md

Needs valgrind (apt-get install valgrind), which knows AVX2 and no AVX-512. A run of few steps is subtracted from one
of many, so that only steps are left; both make the same data. One thread.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import fallline as fl
from fallline._bench._machine import processor
from fallline._bench._networks import NETS

FEW, MANY = 50, 2050  # with 550 two runs of the same build differ by 0.4 %
PAGE = Path(__file__).with_name("instructions.md")
HEAD = """# Instructions per training step

Written by `python benchmarks/count_instructions.py --record`. Counted by callgrind in whole processes with the target
`avx2` and one thread: what {many} steps take more than {few}, divided by {steps}. A step is one batch through `fl.fit`
(S13: one round of `fl.scan`): forward, loss, backward, optimizer, and the work around them.

{table}

{versions}; {machine}.

To judge a change, build it with the same compiler and run the program without `--record`: it prints its counts beside
these. The same build gives the same count to within 0.3 %, so what differs by more is the change itself (or another
compiler, Python or NumPy: then record anew on the commit before it). Instructions are not time: a cache that misses or
a division costs many cycles, so look at `python benchmarks/run.py steps` as well.
"""
PROGRAM = """
import sys
from fallline._bench._networks import NETS
from fallline._bench import _trainers
net, steps, most = next(n for n in NETS if n.name.startswith(sys.argv[1] + " ")), int(sys.argv[2]), int(sys.argv[3])
_trainers.fallline(net, *net.data(most))(steps)
"""
SCAN = """
import sys
import fallline as fl
from fallline._bench._landscape import START, valley
gradient = fl.grad(valley)
fl.scan(lambda p, _: (p - 1e-4 * gradient(p), None), fl.asarray(START), length=int(sys.argv[2]))
"""
CASES = {"S1": PROGRAM, "S2": PROGRAM, "S3": PROGRAM, "S9": PROGRAM, "S13": SCAN}


def instructions(case: str, steps: int) -> int:
    """Return the instructions of a whole process."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [sys.executable, "-c", CASES[case], case, str(steps), str(MANY)]
    settings = {"FALLLINE_TARGET": "avx2", "FALLLINE_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    settings["OPENBLAS_NUM_THREADS"] = "1"
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"valgrind printed no count:\n{done.stderr}")
    return int(found[1])


def what(case: str) -> str:
    """Describe a case."""
    return next((net.name for net in NETS if net.name.startswith(case + " ")), f"{case} gradient descent in fl.scan")


def recorded() -> dict[str, int]:
    """Return the counts of the page, by case."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    rows = re.findall(r"^\| (S\d+)\b.*\| ([\d,]+) \|$", page, re.MULTILINE)
    return {case: int(count.replace(",", "")) for case, count in rows}


def page(counts: dict[str, int]) -> str:
    """Return what is recorded."""
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    lines = ["| training step | instructions |", "|---|---:|"]
    lines += [f"| {what(case)} | {count:,} |" for case, count in counts.items()]
    return HEAD.format(
        versions=f"fallline {fl.__version__}, {fl.info()['build_flags']}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, {valgrind}",
        machine=processor(),
        few=FEW,
        many=MANY,
        steps=MANY - FEW,
        table="\n".join(lines),
    )


def main() -> None:
    """Count, print beside what is recorded, and perhaps record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=CASES, help="count this case (several times for several)")
    parser.add_argument("--record", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    before, counts = recorded(), {}
    print("| training step | recorded | now | change |\n|---|---:|---:|---:|")
    for case in options.only or CASES:
        counts[case] = round((instructions(case, MANY) - instructions(case, FEW)) / (MANY - FEW))
        old = before.get(case)
        change = f"{old:,} | {counts[case]:,} | {counts[case] / old - 1:+.2%}" if old else f"| {counts[case]:,} |"
        print(f"| {what(case)} | {change} |", flush=True)
    if options.record:
        merged = recorded() | counts
        PAGE.write_text(page({case: merged[case] for case in CASES if case in merged}), encoding="utf-8")


if __name__ == "__main__":
    main()
