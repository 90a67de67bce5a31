"""The formulas compile for CUDA (R163), wherever there is a compiler for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLAGS = ("-std=c++17", "--fmad=false", "--ftz=true", "-arch=sm_80", "-Xcompiler=-ffp-contract=off,-Wall,-Wextra")


@pytest.mark.slow
def test_a_file_of_formulas_compiles(tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if not nvcc:
        pytest.skip("no nvcc")
    output = tmp_path / "rules.ptx"
    command = [nvcc, *FLAGS, f"-I{ROOT / 'cpp'}", "--ptx", str(ROOT / "cpp/optim/rules.cu"), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    code = output.read_text()
    kernels = [line for line in code.splitlines() if ".visible .entry" in line]
    for rule in ("Adam", "Lion", "Momentum"):
        assert any(rule in line for line in kernels), rule
    assert "fma.rn" not in code  # the rules' bits are those of separate products and sums
