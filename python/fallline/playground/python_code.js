// Which Python code makes the same path? It runs with fallline and gives the same numbers.

// Text for Python: numbers with a point, as repr writes them.
function pythonValue(value) {
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(pythonValue).join(", ")}]`;
  return String(value);
}

/** The code for a specification of engine.js's `path`, whose rule is this row of its table. */
export function pythonCode(spec, rule) {
  const {start, steps, optimizer, noise, clip, wrap, shift, batch: size, seed = 0, dtype = "float64"} = spec;
  const lines = ["import numpy as np", "import fallline as fl", ""];
  const given = {...optimizer.hypers};
  for (const [name, schedule] of Object.entries(optimizer.schedules ?? {})) given[name] = {code: pythonSchedule(schedule)};
  const [rule_code, later] = pythonRule(rule, given);
  let code = "rule";
  const links = [];
  if (noise) {
    const eta = noise.eta ?? noise.sigma * noise.sigma, gamma = noise.gamma ?? (noise.eta === undefined ? 0 : 0.55);
    links.push(`fl.optim.add_noise(eta=${pythonValue(eta)}, gamma=${pythonValue(gamma)}, seed=${noise.seed ?? 0})`);
  }
  if (clip) links.push(`fl.optim.${clip.kind === "norm" ? "clip_norm" : "clip_value"}(${pythonValue(clip.value)})`);
  if (links.length) code = `fl.optim.chain(${[...links, code].join(", ")})`;
  if (wrap?.kind === "lookahead") code = `fl.optim.Lookahead(${code}, k=${wrap.k ?? 5}, alpha=${wrap.alpha ?? 0.5})`;
  if (wrap?.kind === "sam") code = `fl.optim.SAM(${code}, rho=${wrap.rho ?? 0.05})`;
  if (spec.line) lines.push(pythonLine(spec.line));
  else lines.push(`f = fl.landscapes.${spec.landscape}`);
  lines.push(`rule = ${rule_code}`, ...later.map(([name, value]) => `rule.set_hyperparameters(${name}=${value})`));
  lines.push(`optimizer = ${code}`);
  const more = [];
  if (spec.line && size && size < spec.line.x.length) more.push(`batch_size=${size}`, `seed=${seed}`);
  if (shift && (shift[0] || shift[1])) more.push(`shift=(${shift.map(pythonValue).join(", ")})`);
  lines.push(`start = np.array(${pythonValue(start)}, dtype=${JSON.stringify(dtype)})`);
  lines.push(`path = fl.landscapes.path(f, start, optimizer, ${[steps, ...more].join(", ")})`);
  lines.push("print(path.points[-1], path.losses[-1])");
  return `${lines.join("\n")}\n`;
}

// The rule, with betas=(b1, b2) and nus=(n1, n2) where hyper-parameters are numbered; what is at its default is left
// out. And those that the class takes in another form, to be set later.
function pythonRule(rule, given) {
  const out = Object.fromEntries(Object.entries(rule.arguments).map(([name, value]) => [name, pythonValue(value)])), later = [];
  const family = (name) => /^(beta|nu)\d$/.exec(name)?.[1];
  const families = new Set();
  for (const {name} of rule.hypers.filter((h) => given[h.name] !== undefined && given[h.name] !== h.value)) {
    if (family(name)) families.add(family(name));
    else if (name === "rate") later.push([name, one(name)]);  // NAdam(momentum_decay=...) takes its logarithm
    else out[name] = one(name);
  }
  for (const name of families) {
    out[`${name}s`] = `(${rule.hypers.filter((h) => family(h.name) === name).map((h) => one(h.name)).join(", ")})`;
  }
  return [`fl.optim.${rule.name}(${Object.entries(out).map(([name, value]) => `${name}=${value}`).join(", ")})`, later];

  function one(name) {
    const hyper = rule.hypers.find((h) => h.name === name), value = given[name] ?? hyper.value;
    return value.code ?? (hyper.range === "flag" ? pythonValue(Boolean(value)) : pythonValue(value));
  }
}

function pythonSchedule(given) {
  if (typeof given === "number") return pythonValue(given);
  const one = (v) => (Array.isArray(v) ? `[${v.map(one).join(", ")}]` : v && typeof v === "object" ? pythonSchedule(v) : pythonValue(v));
  return `fl.optim.schedules.${given.name}(${Object.entries(given.arguments ?? {}).map(([k, v]) => `${k}=${one(v)}`).join(", ")})`;
}

function pythonLine({x, y, loss, truth, noise, seed}) {
  if (truth) {
    return `f = fl.landscapes.line(points=${x.length}, noise=${pythonValue(noise)}, slope=${pythonValue(truth[0])}, intercept=${pythonValue(truth[1])}, seed=${seed}, loss="${loss}")`;
  }
  return `f = fl.landscapes.line(x=${pythonValue([...x])}, y=${pythonValue([...y])}, loss="${loss}")`;
}
