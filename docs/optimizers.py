"""Write the tables of docs/optimizers.md: whose rule each is, what was compared with what, and what each costs.

python docs/optimizers.py            all; needs the tests' tables, so run it in the repository
python docs/optimizers.py --check    only says whether those that nobody measures are current
python docs/optimizers.py --rules    writes these alone
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from parity import ROWS, Draw  # noqa: E402
from peers import PEERS  # noqa: E402
from twins import TWINS, Twin  # noqa: E402

from fallline._bench import describe  # noqa: E402
from fallline.optim import Optimizer  # noqa: E402
from fallline.optim._like import APART  # noqa: E402

PAGE = ROOT / "docs" / "optimizers.md"
SAMPLE = Draw(lr=0.1, b1=0.8, b2=0.9, b3=0.5, eps=1e-3, decay=0.1, on=False)
SIZE, STEPS = (1000, 1000), 21


LIBRARIES = {"torch": "PyTorch", "optax": "Optax", "keras": "Keras", "mlx": "MLX", "source": "lecture notes"}


def sources_table() -> str:
    """Return for each optimizer what it is equal to, and every deviation with its reason."""
    lines = ["| optimizer | paper | authors' code | libraries | deviations |", "|---|---|---|---|---|"]
    for name in sorted(TWINS):
        cells = ["<br>".join(described(t) for t in TWINS[name] if t.kind == kind) for kind in ("paper", "authors")]
        why = dict.fromkeys(f"{t.where}: {t.why}" for t in TWINS[name] if t.why)
        apart = (f"{LIBRARIES[library]}: {reason}" for (own, library), reason in APART.items() if own == name)
        lines.append(f"| `{name}` | {' | '.join([*cells, peers_of(name), '<br>'.join([*why, *apart])])} |")
    return "\n".join(lines)


def described(twin: Twin) -> str:
    """Return a source and how near we are to it, with the arguments that it takes."""
    needs = ", ".join(f"{name}={value}" for name, value in twin.needs.items())
    found = f"{twin.near:.0e}" if twin.path else "not offered"
    return f"{twin.where}: {found}" + (f" with `{needs}`" if needs else "")


def peers_of(name: str) -> str:
    """Return the libraries that agree, each with its widest bound."""
    near: dict[str, float] = {}
    ours = [(p.library, p.near) for p in PEERS if p.name == name]
    ours += [(row.library, row.near) for row in ROWS if type(row.ours(SAMPLE)).__name__ == name]
    for library, bound in ours:
        near[library] = max(near.get(library, 0.0), bound)
    return ", ".join(f"{LIBRARIES.get(library, library)} {bound:.0e}" for library, bound in near.items())


def parity_table() -> str:
    """Return one line for each row of tests/parity.py."""
    lines = ["| optimizer | compared with | drawn options | agrees to | why not 1e-12 |", "|---|---|---|---|---|"]
    for row in ROWS:
        ours, options = type(row.ours(SAMPLE)).__name__, ", ".join(row.options(SAMPLE))
        lines.append(f"| `{ours}` | {row.library} `{row.theirs}` | {options} | {row.near:.0e} | {row.reason} |")
    return "\n".join(lines)


def cost_table() -> str:
    """Measure one million float32 parameters in one matrix: bytes of state and time of a step."""
    rng = np.random.default_rng(0)
    g = rng.normal(size=SIZE).astype(np.float32)
    found = []
    for cls in sorted(set(Optimizer._classes.values()), key=lambda c: c.__name__):
        opt, w = cls(), np.zeros(SIZE, np.float32)
        try:
            opt.step(w, g)
        except (TypeError, RuntimeError):  # those that evaluate gradients themselves
            continue
        times = []
        for _ in range(STEPS):
            start = time.perf_counter()
            opt.step(w, g)
            times.append(time.perf_counter() - start)
            if sum(times) > 20:
                break
        found.append((opt.memory_bytes() / w.size, statistics.median(times), cls.__name__))
    lines = [f"{describe()}\n", "| optimizer | bytes of state per parameter | ms per step |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {size:.3g} | {1e3 * t:.2f} |" for size, t, name in sorted(found))])


def put(page: str, name: str, table: str) -> str:
    """Return the page with the table between its marks."""
    begin, end = f"<!-- {name} begins -->\n", f"\n<!-- {name} ends -->"
    before, rest = page.split(begin)
    return before + begin + table + end + rest.split(end)[1]


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--rules", action="store_true")
    wanted = parser.parse_args()
    page = PAGE.read_text()
    new = put(put(page, "parity", parity_table()), "sources", sources_table())
    if wanted.check:
        print("current" if new == page else "a table is old: run python docs/optimizers.py --rules")
        return int(new != page)
    PAGE.write_text(new if wanted.rules else put(new, "cost", cost_table()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
