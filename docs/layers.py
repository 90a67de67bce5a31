"""Write the tables of docs/layers.md: PyTorch's modules and what they are here, activations, initialisers, losses.

python docs/layers.py            writes them; the first needs PyTorch
python docs/layers.py --check    only says whether they are current
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tests"), str(ROOT / "docs")]

import torch_modules  # noqa: E402
from optimizers import put  # noqa: E402

from fallline import nn  # noqa: E402
from fallline.nn import init, losses  # noqa: E402

PAGE = ROOT / "docs" / "layers.md"
INITIALISERS = {  # ours: PyTorch's in torch.nn.init, Keras's
    "glorot_uniform": ("xavier_uniform_", "GlorotUniform"),
    "glorot_normal": ("xavier_normal_", "GlorotNormal, whose normal is cut at two deviations"),
    "he_uniform": ("kaiming_uniform_", "HeUniform"),
    "he_normal": ("kaiming_normal_", "HeNormal, cut"),
    "lecun_uniform": ("", "LecunUniform"),
    "lecun_normal": ("", "LecunNormal, cut"),
    "orthogonal": ("orthogonal_", "Orthogonal"),
    "identity": ("eye_, dirac_", "Identity"),
    "sparse": ("sparse_", ""),
    "zeros": ("zeros_", "Zeros"),
    "ones": ("ones_", "Ones"),
    "constant": ("constant_", "Constant"),
    "normal": ("normal_", "RandomNormal"),
    "uniform": ("uniform_", "RandomUniform"),
    "truncated_normal": ("trunc_normal_", "TruncatedNormal"),
    "variance_scaling": ("", "VarianceScaling"),
    "gain": ("calculate_gain", ""),
}
ACTIVATIONS = (
    *("ReLU", "LeakyReLU", "PReLU", "RReLU", "ReLU6", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Softplus"),
    *("Softsign", "Softshrink", "Hardtanh", "Hardsigmoid", "Hardswish", "Hardshrink", "Tanh", "Sigmoid", "GLU"),
    *("Softmax", "Softmax2d", "Softmin", "LogSoftmax", "LogSigmoid", "Tanhshrink", "Threshold"),
)


def modules_table() -> str:
    """Return every module of PyTorch's own table, and what it is here."""
    lines = ["| PyTorch | here | |", "|---|---|---|"]
    for name in sorted(torch_modules.names()):
        here = f"`fl.nn.losses.{torch_modules.LOSSES[name]}`" if name in torch_modules.LOSSES else f"`fl.nn.{name}`"
        absent = torch_modules.ABSENT.get(name)
        lines.append(f"| `{name}` | {'' if absent else here} | {absent or 'whole'} |")
    return "\n".join(lines)


def first_line(thing: Any) -> str:
    """Return the first sentence of a docstring."""
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    text = re.sub(":math:`([^`]*)`", r"$\1$", text).replace("``", "`")
    return text.split(" See `fl.nn")[0].removeprefix("Return ").replace("|", "\\|")


def arguments(thing: Any) -> str:
    """Return a signature as it is called, without what every layer takes."""
    found = inspect.signature(thing).parameters.values()
    shown = [p for p in found if p.name not in ("dtype", "rng", "shape", "self")]
    texts = [p.name if p.default is inspect.Parameter.empty else f"{p.name}={p.default!r}" for p in shown]
    return f"({', '.join(texts)})"


def activations_table() -> str:
    """Return activations with their arguments."""
    lines = ["| layer | arguments | value |", "|---|---|---|"]
    for name in ACTIVATIONS:
        kind = getattr(nn, name)
        lines.append(f"| `{name}` | `{arguments(kind)}` | {first_line(kind)} |")
    return "\n".join(lines)


def initialisers_table() -> str:
    """Return initialisers with what they are elsewhere."""
    lines = ["| `fl.nn.init` | | PyTorch | Keras |", "|---|---|---|---|"]
    for name, others in INITIALISERS.items():
        lines.append(f"| `{name}` | {first_line(getattr(init, name))} | {' | '.join(others)} |")
    return "\n".join(lines)


def losses_table() -> str:
    """Return losses with their arguments."""
    lines = ["| `fl.nn.losses` | arguments | |", "|---|---|---|"]
    names = [name for name in losses.__all__ if name not in ("get", "check_labels")]
    lines += [
        f"| `{name}` | `{arguments(getattr(losses, name))}` | {first_line(getattr(losses, name))} |" for name in names
    ]
    return "\n".join(lines)


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    page = new = PAGE.read_text()
    tables = {"activations": activations_table(), "initialisers": initialisers_table(), "losses": losses_table()}
    if torch_modules.names():
        tables["modules"] = modules_table()
    for name, table in tables.items():
        new = put(new, name, table)
    if parser.parse_args().check:
        print("current" if new == page else "a table is old: run python docs/layers.py")
        return int(new != page)
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
