// What is asked of the engine? From the state of a lab to the specification of a path, whoever computes it.

/** A run as the user has it, with what the engine does not know left out; `odd` names that. */
export function sound(run, engine, odd = []) {
  const rule = ruleOf(engine, run.rule);
  if (!rule) return (odd.push(run.rule), null);
  const fits = ({name, range}, v) =>
    Number.isFinite(v) &&
    ({any: true, nonnegative: v >= 0, unit: v >= 0 && v < 1, closed_unit: v >= 0 && v <= 1, flag: v === 0 || v === 1}[
      range
    ] ??
      true);
  const hypers = {};
  for (const [name, value] of Object.entries(run.hypers)) {
    const hyper = rule.hypers.find((h) => h.name === name);
    if (hyper && fits(hyper, value)) hypers[name] = value;
    else odd.push(`${name} of ${rule.label}`);
  }
  const schedules = {};
  for (const [name, timed] of Object.entries(run.schedules)) {
    const known = engine.schedules.find((s) => s.name === timed.name);
    if (!known || !rule.hypers.some((h) => h.name === name)) {
      odd.push(`${name} of ${rule.label}`);
      continue;
    }
    const given = Object.fromEntries(known.parameters.map((p) => [p.name, timed.arguments[p.name] ?? p.value]));
    schedules[name] = {name: timed.name, arguments: given};
  }
  return {rule: run.rule, hypers, schedules, wrap: WRAPS[run.wrap] || run.wrap === "none" ? run.wrap : "none"};
}

export const WRAPS = {lookahead: {kind: "lookahead", k: 5, alpha: 0.5}, sam: {kind: "sam", rho: 0.05}};

const RATE = [{name: "lr", value: 0.02, range: "nonnegative", kind: "rate", letter: "α", common: false}];

/** The row of a rule: of the module, or of those that only the local server has (`server: true`). */
export function ruleOf(engine, key) {
  const here = engine.rules.find((r) => r.key === key);
  if (here) return here;
  const far = engine.wholeTensor.find((r) => r.name === key);
  return (
    far && {
      key: far.name,
      slots: [],
      arguments: {},
      lookahead: false,
      server: true,
      ...far,
      hypers: far.hypers.length ? far.hypers : RATE,
    }
  );
}

const optimizer = (run) => ({rule: run.rule, hypers: run.hypers, schedules: run.schedules});

export function landscapeSpec(lab, run, start) {
  const spec = {landscape: lab.landscape, start, steps: lab.steps, optimizer: optimizer(run), dtype: lab.dtype};
  if (lab.noise > 0) spec.noise = {sigma: lab.noise, seed: lab.seed};
  if (lab.clip !== "none") spec.clip = {kind: lab.clip, value: lab.limit};
  if (run.wrap !== "none") spec.wrap = WRAPS[run.wrap];
  if (lab.shift[0] || lab.shift[1]) spec.shift = lab.shift;
  return spec;
}

export function lineSpec(lab, line, run) {
  const spec = {
    line,
    start: lab.start,
    steps: lab.steps,
    optimizer: optimizer(run),
    batch: lab.batch >= lab.points ? 0 : lab.batch,
    seed: lab.seed,
    dtype: "float64",
  };
  if (run.wrap !== "none") spec.wrap = WRAPS[run.wrap];
  return spec;
}

/** The learning rate that a run begins with. */
export const rateOf = (run, rule) =>
  run.schedules.lr?.arguments.initial ?? run.hypers.lr ?? rule.hypers.find((h) => h.name === "lr")?.value;

/** Of 51 learning rates the one whose path ends lowest: a first guess for a landscape. */
export function bestRate(engine, spec, run) {
  let best = {loss: Infinity, lr: run.hypers.lr};
  for (let i = 0; i <= 50; i++) {
    const lr = Number((10 ** (-4 + i / 10)).toPrecision(2));
    const loss = engine.path(spec({...run, hypers: {...run.hypers, lr}, schedules: {}})).losses.at(-1);
    if (loss < best.loss) best = {loss, lr};
  }
  return best.lr;
}

/** The code that makes the same path; of rules on whole tensors too, which the engine does not know. */
export function pythonOf(engine, spec) {
  const {rule, hypers} = spec.optimizer;
  if (!ruleOf(engine, rule).server) return engine.python(spec);
  const given = Object.entries(hypers)
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
  const links = [
    ...(spec.noise ? [`fl.optim.add_noise(eta=${spec.noise.sigma ** 2}, gamma=0.0, seed=${spec.noise.seed})`] : []),
    ...(spec.clip ? [`fl.optim.clip_${spec.clip.kind}(${spec.clip.value})`] : []),
    `fl.optim.${rule}(${given})`,
  ];
  return [
    "import numpy as np",
    "import fallline as fl",
    "",
    `optimizer = ${links.length > 1 ? `fl.optim.chain(${links.join(", ")})` : links[0]}`,
    `start = np.array([${spec.start.join(", ")}])`,
    `path = fl.landscapes.path(fl.landscapes.${spec.landscape}, start, optimizer, ${spec.steps}${spec.shift ? `, shift=(${spec.shift.join(", ")})` : ""})`,
    "print(path.points[-1], path.losses[-1])",
    "",
  ].join("\n");
}
