"""How long does one optimizer step take from Python?  The optimizer rows of `run.py` alone.

    python benchmarks/bench_optimizers.py [--quick]

Peers (PyTorch foreach and fused, Optax under jit) are measured where they are installed. `--quick` leaves out the
tensor of 32 million elements, whose limit is a bare pass over the same memory.
"""

import sys

from run import main

if __name__ == "__main__":
    sys.exit(main(["optimizers", *sys.argv[1:]]))
