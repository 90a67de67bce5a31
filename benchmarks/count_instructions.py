"""How many instructions does a training step take?  Free of noise, so that a later change can be compared.

    python benchmarks/count_instructions.py            print the table
    python benchmarks/count_instructions.py --record   and write benchmarks/instructions.md

Needs valgrind (apt-get install valgrind), which knows AVX2 and no AVX-512. A run of few steps is subtracted from one
of many, so that only steps are left; one thread.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import fallline as fl

FEW, MANY = 50, 550
PAGE = Path(__file__).with_name("instructions.md")
PROGRAM = """
import sys
from fallline._bench._networks import NETS
from fallline._bench import _trainers
net, steps = next(n for n in NETS if n.name.startswith(sys.argv[1] + " ")), int(sys.argv[2])
_trainers.fallline(net, *net.data(steps))(steps)
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
    command += [sys.executable, "-c", CASES[case], case, str(steps)]
    settings = {"FALLLINE_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if not found:
        raise SystemExit(f"valgrind printed no count:\n{done.stderr}")
    return int(found.group(1))


def main() -> None:
    """Count, print and perhaps record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help=f"write {PAGE.name}")
    record = parser.parse_args().record
    lines = ["| case | instructions per step |", "|---|---:|"]
    for case in CASES:
        count = (instructions(case, MANY) - instructions(case, FEW)) / (MANY - FEW)
        lines.append(f"| {case} | {count:,.0f} |")
        print(lines[-1], flush=True)
    if record:
        head = "# Instructions per training step\n\nWritten by `count_instructions.py`: callgrind, AVX2, one thread, "
        head += f"fallline {fl.__version__}, {fl.info()['build_flags']}, Python {platform.python_version()}."
        PAGE.write_text(head + "\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
