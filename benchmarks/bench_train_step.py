"""How long does one training step take?  The rows of `run.py` for the nets 4-32-32-3 and 784-128-10 alone.

    python benchmarks/bench_train_step.py [--quick]

Peers (PyTorch eager with fused Adam, torch.compile, JAX, NumPy, scikit-learn) are measured where they are installed.
"""

import sys

from run import main

if __name__ == "__main__":
    sys.exit(main(["steps", "--only", "S2", "--only", "S4", *sys.argv[1:]]))
