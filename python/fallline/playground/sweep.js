// Which learning rate and which momentum? The final loss over both, with a handle that sets them.

import {shading} from "./colours.js";
import {make, show} from "./dom.js";
import {plane} from "./plane.js";
import {ruleOf} from "./specs.js";

const COUNT = 25;
const RATES = [-3, 1]; // powers of ten
const SHARES = [0, 0.99];

/** `run()` is the run that is mapped, `spec(run)` what the engine computes, `set(values)` writes into the run. */
export function sweep({engine, run, spec, set, look}) {
  const view = plane({
    label: "Final loss over learning rate and momentum",
    names: ["log₁₀ α", "β"],
    resized: () => shown && draw(),
  });
  const told = make("p", {class: "note", "aria-live": "polite"});
  let shown = false;
  let grid = null;
  let best = null;
  const second = () => ruleOf(engine, run().rule).hypers.find((h) => h.kind === "share" && !h.common);
  const handle = view.add({
    label: "learning rate and momentum of the run",
    kind: "start",
    move: (x, y) => {
      const values = {lr: Number((10 ** x).toPrecision(3))};
      if (second()) values[second().name] = Number(y.toFixed(3));
      set(values);
    },
  });
  function compute() {
    const share = second();
    const base = run();
    grid = new Float64Array(COUNT * COUNT);
    best = {loss: Infinity};
    for (let j = 0; j < COUNT; j++) {
      const beta = SHARES[0] + (j / (COUNT - 1)) * (SHARES[1] - SHARES[0]);
      for (let i = 0; i < COUNT; i++) {
        const lr = 10 ** (RATES[0] + (i / (COUNT - 1)) * (RATES[1] - RATES[0]));
        const hypers = {...base.hypers, lr, ...(share ? {[share.name]: beta} : {})};
        const {losses} = engine.path(spec({...base, hypers, schedules: {}}));
        const loss = losses[losses.length - 1];
        grid[j * COUNT + i] = Number.isFinite(loss) ? Math.min(loss, losses[0] * 10 + 10) : NaN;
        if (loss < best.loss) best = {loss, lr, beta};
      }
    }
  }
  function draw() {
    if (!grid) return;
    const share = second();
    view.frame.window = [RATES, SHARES];
    view.ground({grid, n: COUNT, shade: shading(grid, "log"), levels: 0, ...look()});
    view.axes(["log₁₀ α", share ? share.letter : "(it has none)"]);
    const lr = run().hypers.lr ?? 1e-3;
    handle.place(Math.log10(lr), share ? (run().hypers[share.name] ?? share.value) : 0);
    const letter = share ? `, ${share.letter} = ${show(best.beta)}` : "";
    told.textContent = `${ruleOf(engine, run().rule).label}, best of ${COUNT * COUNT}: α = ${show(best.lr)}${letter} ends at loss ${show(best.loss)}. Darker ended higher; the darkest overflowed.`;
  }
  const node = make(
    "details",
    {class: "panel sweep"},
    make("summary", {}, "Map of learning rate and momentum"),
    view.node,
    told,
  );
  node.addEventListener("toggle", () => {
    shown = node.open;
    if (!shown) return;
    view.fit();
    update();
  });
  function update() {
    if (!shown || ruleOf(engine, run().rule).server) return;
    compute();
    draw();
  }
  return {node, update};
}
