"""How long do paths over a landscape take, natively and in a browser?  Medians, in milliseconds.

    python benchmarks/bench_landscapes.py            every landscape, ten optimizers
    python benchmarks/bench_landscapes.py --steps 200 --rounds 50

Ten optimizers walk 1,000 steps each through `fl.landscapes.path`; with node installed the engine of the page walks the
200 steps of one redraw. The aims are 5 ms and 8 ms.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import fallline as fl

ENGINE = Path(fl.__file__).parent / "playground"
TEN = ["SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam", "AdamW", "NAdam", "Lion", "Yogi"]
PROGRAM = """
import fs from "node:fs";
const [folder, rounds] = process.argv.slice(1);
const {loadEngine} = await import("file://" + folder + "/engine.js");
const engine = await loadEngine(fs.readFileSync(folder + "/fallline.wasm"));
const ten = JSON.parse(process.argv[3]).map((name) => engine.rules.find((rule) => rule.name === name).key);
const median = (all) => all.sort((a, b) => a - b)[all.length >> 1];
for (const {name, start, domain} of engine.landscapes) {
  const paths = [], grids = [];
  for (let round = 0; round < rounds; ++round) {
    let begin = performance.now();
    for (const rule of ten) engine.path({landscape: name, start, steps: 200, optimizer: {rule, hypers: {lr: 0.01}}});
    paths.push(performance.now() - begin);
    begin = performance.now();
    engine.grid(name, domain, 160, 160);
    grids.push(performance.now() - begin);
  }
  console.log(name.padEnd(18), median(paths).toFixed(2).padStart(8), median(grids).toFixed(2).padStart(8));
}
"""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    optimizers = [getattr(fl.optim, name)(0.01) for name in TEN]
    print(f"{'native':18} {f'10 paths of {given.steps} steps, ms':>8}")
    for f in fl.landscapes.ALL.values():
        times = []
        for _ in range(given.rounds):
            begin = time.perf_counter()
            for opt in optimizers:
                fl.landscapes.path(f, f.start, opt, given.steps)
            times.append(1e3 * (time.perf_counter() - begin))
        print(f"{f.name:18} {statistics.median(times):8.2f}")
    node = shutil.which("node")
    if node is None:
        print("no node: the engine of the page is not measured")
        return
    print(f"\n{'engine of the page':18} 10 paths of 200 steps, ms; grid of 160 x 160, ms", flush=True)
    names = "[" + ", ".join(f'"{name}"' for name in TEN) + "]"
    call = [node, "--input-type=module", "-e", PROGRAM, str(ENGINE), str(given.rounds), names]
    subprocess.run(call, check=True)


if __name__ == "__main__":
    main()
