// How does the page compute?  With fallline.wasm, which is compiled from the library's own formula files.
//
// loadEngine(bytes) gives an object with tables (rules, schedules, landscapes) and functions (value, gradient, grid,
// line, path, python). Numbers are those of the library, bit for bit in float64.

import {pythonCode} from "./python_code.js";

const RANGES = ["any", "nonnegative", "unit", "closed_unit", "flag", "running"];
const SLOT_MEANINGS = {
  m: "running mean of gradients", m1: "fast mean of gradients", m2: "slow mean of gradients", v: "running mean of squares",
  n: "mean of squares", u: "largest or scaled size", z: "the plain iterate", p: "previous gradient", d: "step size", a: "mean of points",
};

// What the table of C++ cannot say: the class and its arguments, where they are not the struct's name.
const RULE_VARIANTS = {
  RMSpropMomentum: {name: "RMSprop", label: "RMSprop with momentum", arguments: {momentum: 0.9}},
  RMSpropCentered: {name: "RMSprop", label: "RMSprop, centered", arguments: {centered: true}},
  RMSpropCenteredMomentum: {name: "RMSprop", label: "RMSprop, centered, with momentum", arguments: {centered: true, momentum: 0.9}},
  SGD: {label: "Gradient descent (SGD)"},
  NesterovLookahead: {label: "Nesterov with look-ahead"},
};
// Classes that are a rule with another default.
const RULE_ALIASES = [
  {key: "adamw", rule: "adam", name: "AdamW", values: {weight_decay: 0.01}},
  {key: "nadamw", rule: "nadam", name: "NAdamW", values: {weight_decay: 0.01}},
];
// Rules that look at whole tensors: the library computes them, this module does not.
const WHOLE_TENSOR = [
  "Adafactor", "LAMB", "LARS", "LBFGS", "MADGRAD", "Muon", "NovoGrad", "Prodigy", "SM3", "SOAP", "SWATS", "Shampoo", "Sophia",
];
const HYPER_LETTERS = {
  lr: "α", momentum: "μ", beta1: "β₁", beta2: "β₂", beta3: "β₃", eps: "ε", eps_root: "εᵣ", alpha: "a", rho: "ρ", weight_decay: "λ",
  dampening: "d", nu: "ν", nu1: "ν₁", nu2: "ν₂", lr_decay: "d", beta: "β", lambd: "λ",
};
// What to begin with where a schedule has no default.
const SCHEDULE_VALUES = {
  value: 0.1, initial: 0.1, final: 0.01, low: 0.01, high: 0.1, peak: 0.1, rate: 0.02, factor: 0.5, every: 50, steps: 100, period: 50, half_period: 25,
  warmup: 10, stable: 50, decay: 40,
};
const SCHEDULE_KINDS = ["any", "share", "growth", "length", "duration", "choice"];
const SCHEDULE_LEAST = {share: 0, growth: 1, length: 1, duration: 0};
const COMMON_HYPERS = ["weight_decay", "l2", "maximize"];
// In the order of `Wanted` in cpp/wasm/engine.cpp.
const PATH_FIELDS = [
  "rule", "landscape", "steps", "x", "y", "single", "shift_x", "shift_y", "noisy", "eta", "gamma", "noise_high",
  "noise_low", "clip_value", "clip_norm", "sam", "slow_every", "slow_share", "points", "absolute", "batch",
  "seed_high", "seed_low", "scheduled",
];
const MOST_STEPS = 100000;

function engineError(where, text) {
  return new Error(`[${where}] ${text}`);
}

function hyperKind(name, range) {
  if (range === "flag") return "flag";
  if (name === "lr" || name === "weight_decay" || name === "l2" || name.endsWith("step")) return "rate";
  if (name.startsWith("eps") || name === "initial_accumulator") return "epsilon";
  return range.endsWith("unit") || name === "momentum" || name.startsWith("nu") ? "share" : "number";
}

// What a slider should span.
function hyperSpan(kind, value) {
  if (kind === "flag" || kind === "share") return [0, 1];
  if (kind === "epsilon") return [1e-12, 1];
  if (kind === "rate") return [1e-5, 10];
  return [Math.min(0, 4 * value), Math.max(1, 4 * value)];
}

function seedHalves(where, seed) {
  const big = BigInt(seed ?? 0);
  if (big < 0n || big >= 1n << 64n) throw engineError(where, `a seed is an integer in [0, 2^64), got ${seed}`);
  return [Number(big >> 32n), Number(big & 0xffffffffn)];
}

export async function loadEngine(bytes) {
  const module = bytes instanceof WebAssembly.Module ? bytes : await WebAssembly.compile(bytes);
  const nothing = Object.fromEntries(WebAssembly.Module.imports(module).map((i) => [i.name, () => 0]));
  const instance = await WebAssembly.instantiate(module, {wasi_snapshot_preview1: nothing, env: nothing});
  const wasm = instance.exports;

  function text(address) {
    const memory = new Uint8Array(wasm.memory.buffer, address);
    return new TextDecoder().decode(memory.subarray(0, memory.indexOf(0)));
  }
  // A room for so many numbers: its address and itself. Both hold until the next call.
  function room(count) {
    const at = wasm.room(count);
    if (!at) throw engineError("engine", `there is no memory for ${count} numbers`);
    return [at, new Float64Array(wasm.memory.buffer, at, count)];
  }
  const range = (count, make) => Array.from({length: count}, (_, i) => make(i));

  function readRule(i) {
    const type = text(wasm.rule_type(i)), variant = RULE_VARIANTS[type] ?? {};
    const hypers = range(wasm.hyper_count(i), (j) => {
      const name = text(wasm.hyper_name(i, j)), value = wasm.hyper_value(i, j), allowed = RANGES[wasm.hyper_range(i, j)];
      const kind = hyperKind(name, allowed), [low, high] = hyperSpan(kind, value);
      return {name, value, range: allowed, low, high, kind, letter: HYPER_LETTERS[name] ?? name, common: COMMON_HYPERS.includes(name), column: j};
    });
    const shown = hypers.filter((h) => h.range !== "running");  // the others belong to the state
    const slots = range(wasm.slot_count(i), (j) => {
      const name = text(wasm.slot_name(i, j));
      return {name, meaning: SLOT_MEANINGS[name] ?? name};
    });
    const name = variant.name ?? type;
    const key = text(wasm.rule_name(i));
    return {key, name, label: variant.label ?? name, arguments: variant.arguments ?? {}, hypers: shown, width: hypers.length, slots, lookahead: key === "nesterov_lookahead", index: i};
  }

  function readLandscape(i) {
    const number = (which) => wasm.landscape_number(i, which);
    const places = (saddles) => range(wasm.place_count(i, saddles), (j) => range(3, (k) => wasm.place_number(i, saddles, j, k)));
    const [name, title, formula, teaches] = range(4, (which) => text(wasm.landscape_text(i, which)));
    return {
      name, title, formula, teaches, domain: range(4, number), start: [number(4), number(5)], minima: places(0), saddles: places(1),
      scale: number(6) ? "log" : "linear", dimensions: number(7), index: i,
    };
  }

  function readSchedule(i) {
    const parameters = range(wasm.schedule_numbers(i), (j) => {
      const name = text(wasm.number_name(i, j)), kind = SCHEDULE_KINDS[wasm.number_kind(i, j)], given = wasm.number_value(i, j);
      const choices = kind === "choice" ? text(wasm.number_words(i, j)).split(" ") : undefined;
      const value = choices ? choices[given] : Number.isNaN(given) ? SCHEDULE_VALUES[name] ?? 1 : given;
      return {name, value, range: kind, required: Number.isNaN(given), choices};
    });
    const name = text(wasm.schedule_name(i)), marks = text(wasm.schedule_marks(i)), parts = text(wasm.schedule_parts(i));
    return {name, label: name.replaceAll("_", " "), parameters, marks: marks || null, parts: parts || null, index: i};
  }

  const schedules = range(wasm.schedule_count(), readSchedule).filter(({name}) => name !== "function");
  const scheduleByName = new Map(schedules.map((s) => [s.name, s]));
  const rules = range(wasm.rule_count(), readRule);
  for (const {key, rule, name, values} of RULE_ALIASES) {
    const base = rules.find((r) => r.key === rule);
    const hypers = base.hypers.map((h) => ({...h, value: values[h.name] ?? h.value}));
    rules.push({...base, key, name, label: name, hypers});
  }
  const landscapes = range(wasm.landscape_count(), readLandscape);
  const ruleByKey = new Map(rules.map((r) => [r.key, r]));
  const landscapeByName = new Map(landscapes.map((l) => [l.name, l]));

  function found(where, map, name, what) {
    const entry = map.get(name);
    if (!entry) throw engineError(where, `there is no ${what} named '${name}'; there are ${[...map.keys()].join(", ")}`);
    return entry;
  }

  function gradient(f, x, y) {
    if (typeof f === "string") {
      const [at, out] = room(3);
      wasm.gradient(found("gradient", landscapeByName, f, "landscape").index, x, y, at);
      return Array.from(out);
    }
    const n = f.x.length, [at, all] = room(2 * n + 3);
    all.set(f.x);
    all.set(f.y, n);
    wasm.line_gradient(at, at + 8 * n, n, Number(f.loss === "mae"), x, y, at + 16 * n);
    return Array.from(all.subarray(2 * n));
  }

  function grid(f, [x0, x1, y0, y1], nx, ny) {
    if (!(nx >= 2 && ny >= 2)) throw engineError("grid", `nx and ny must be at least 2, got ${nx} and ${ny}`);
    if (typeof f === "string") {
      const [at] = room(nx * ny);
      wasm.grid(found("grid", landscapeByName, f, "landscape").index, x0, x1, y0, y1, nx, ny, at);
      return new Float64Array(wasm.memory.buffer, at, nx * ny).slice();
    }
    const out = new Float64Array(nx * ny), n = f.x.length, [at, all] = room(2 * n + 3);
    all.set(f.x);
    all.set(f.y, n);
    for (let j = 0, k = 0; j < ny; ++j) {
      const y = y0 + (j * (y1 - y0)) / (ny - 1);
      for (let i = 0; i < nx; ++i) {
        wasm.line_gradient(at, at + 8 * n, n, Number(f.loss === "mae"), x0 + (i * (x1 - x0)) / (nx - 1), y, at + 16 * n);
        out[k++] = all[2 * n];
      }
    }
    return out;
  }

  function draw(name, seed, n, counter = 0) {
    const [at, out] = room(n);
    wasm[name](...seedHalves(name, seed), counter, n, at);
    return out.slice();
  }

  // Points around a straight line: x from [-2, 2), then the noise, from one stream of draws.
  function line({points = 300, noise = 0.5, slope = 2, intercept = -1, seed = 0, loss = "mse", x, y} = {}) {
    if (loss !== "mse" && loss !== "mae") throw engineError("line", `loss is 'mse' or 'mae', got '${loss}'`);
    let truth = null;
    if (!x) {
      if (!(points >= 2)) throw engineError("line", `a line needs at least 2 points, got ${points}`);
      x = draw("uniforms", seed, points).map((u) => u * 4 + -2);
      const error = draw("normals", seed, points, Math.floor(points / 2) + 1);
      y = x.map((xi, i) => slope * xi + intercept + noise * error[i]);
      truth = [slope, intercept];
    } else if (x.length !== y.length || x.length < 1) {
      throw engineError("line", `x and y need the same number of points, got ${x.length} and ${y.length}`);
    }
    const data = {x: Float64Array.from(x), y: Float64Array.from(y), loss, truth, noise, seed};
    const n = data.x.length, mean = (a) => a.reduce((s, v) => s + v, 0) / n, mx = mean(data.x), my = mean(data.y);
    let sxx = 0, sxy = 0;
    for (let i = 0; i < n; ++i) {
      sxx += (data.x[i] - mx) ** 2;
      sxy += (data.x[i] - mx) * (data.y[i] - my);
    }
    const fitted = sxx > 0 ? [sxy / sxx, my - (sxy / sxx) * mx] : [0, my];
    const [cx, cy] = truth ?? fitted;
    data.domain = [cx - 4, cx + 4, cy - 4, cy + 4];
    data.best = loss === "mse" ? [...fitted, gradient(data, ...fitted)[0]] : null;
    return data;
  }

  function batch(data, step, size, seed = 0) {
    const n = data.x.length;
    if (!size || size >= n) return Int32Array.from(range(n, (i) => i));
    const steps = Math.ceil(n / size), epoch = Math.floor(step / steps), first = (step % steps) * size;
    const [at] = room(n);
    wasm.order(...seedHalves("batch", seed), epoch, n, at);
    const rows = new BigInt64Array(wasm.memory.buffer, at, n);
    return Int32Array.from(rows.subarray(first, Math.min(first + size, n)), Number);
  }

  function allowed(where, hyper, value) {
    const fits = {
      any: true, nonnegative: value >= 0, unit: value >= 0 && value < 1, closed_unit: value >= 0 && value <= 1, flag: value === 0 || value === 1,
    };
    if (!Number.isFinite(value) || !fits[hyper.range]) {
      throw engineError(where, `${hyper.name} must be ${hyper.range === "any" ? "finite" : hyper.range}, got ${value}`);
    }
    return value;
  }

  // The hyper-parameters of every step, a row each.
  function hyperRows(rule, {hypers = {}, schedules = {}}, steps) {
    const known = rule.hypers.map((h) => h.name);
    for (const name of [...Object.keys(hypers), ...Object.keys(schedules)]) {
      if (!known.includes(name)) throw engineError("path", `${rule.key} has no hyper-parameter '${name}'; it has ${known.join(", ")}`);
    }
    const rows = new Float64Array(Math.max(steps, 1) * rule.width).fill(NaN);
    rule.hypers.forEach((hyper) => {
      const given = hypers[hyper.name] ?? hyper.value;
      const values = schedules[hyper.name] ? scheduled(schedules[hyper.name], Math.max(steps, 1)) : null;
      for (let t = 0; t < Math.max(steps, 1); ++t) {
        rows[t * rule.width + hyper.column] = allowed("path", hyper, values ? values[t] : Number(given));
      }
    });
    return rows;
  }

  // A schedule as the array of numbers that cpp/optim/schedule.h reads; a number is a constant.
  function scheduleTree(given) {
    if (typeof given === "number") return scheduleTree({name: "constant", arguments: {value: given}});
    const row = found("schedule", scheduleByName, given.name, "schedule"), values = given.arguments ?? {};
    const known = [...row.parameters.map((p) => p.name), row.marks, row.parts, "per", "steps_per_epoch"];
    const strange = Object.keys(values).find((name) => !known.includes(name));
    if (strange) throw engineError("schedule", `${row.name} has no argument '${strange}'; it has ${known.filter(Boolean).join(", ")}`);
    const numbers = row.parameters.map(({name, value, required, range: kind, choices}) => {
      const number = choices ? choices.indexOf(values[name] ?? value) : Number(values[name] ?? (required ? NaN : value));
      if (!Number.isFinite(number) || number < (SCHEDULE_LEAST[kind] ?? -Infinity) || (choices && number < 0) || (kind === "share" && number > 1)) {
        throw engineError("schedule", `${row.name} needs ${name}, ${choices ? choices.join(" or ") : `a number (${kind})`}, got ${values[name]}`);
      }
      return number;
    });
    const marks = [...(values[row.marks] ?? [])], parts = (row.parts ? [values[row.parts] ?? []].flat() : []).map(scheduleTree);
    const wanted = row.parts ? (row.marks ? marks.length + 1 : 1) : 0;
    if (parts.length !== wanted) throw engineError("schedule", `${row.name} needs ${wanted} of ${row.parts}, got ${parts.length}`);
    const body = [row.index, Number(values.per === "epoch"), marks.length, parts.length, ...numbers, ...marks, ...parts.flat()];
    return [body.length + 1, ...body];
  }

  // The number of steps in an epoch, which all that counts epochs must agree about.
  function epochLength(given) {
    const values = given.arguments ?? {}, parts = Object.values(values).flat().filter((v) => v && typeof v === "object");
    return values.steps_per_epoch ?? parts.map(epochLength).find(Boolean) ?? (values.per === "epoch" ? NaN : 0);
  }

  function scheduled(schedule, steps) {
    const tree = scheduleTree(schedule), length = epochLength(schedule);
    if (Number.isNaN(length)) throw engineError("schedule", `${schedule.name}: per='epoch' needs steps_per_epoch, the number of steps in an epoch`);
    const [at, all] = room(tree.length + steps);
    all.set(tree);
    wasm.schedule_values(at, length || 1, steps, at + 8 * tree.length);
    return all.slice(tree.length);
  }

  function path(spec) {
    const {start, steps, optimizer, noise, clip, wrap, shift = [0, 0], batch: size = 0, seed = 0, dtype = "float64"} = spec;
    if (!(Number.isInteger(steps) && steps >= 0 && steps <= MOST_STEPS)) {
      throw engineError("path", `steps is a whole number from 0 to ${MOST_STEPS}, got ${steps}`);
    }
    const rule = found("path", ruleByKey, optimizer.rule, "rule"), data = spec.line;
    const landscape = data ? null : found("path", landscapeByName, spec.landscape, "landscape");
    if (rule.lookahead && wrap?.kind === "sam") throw engineError("path", `SAM and ${rule.name} both take the gradient where they want it: choose one`);
    const rows = hyperRows(rule, optimizer, steps), n = data ? data.x.length : 0, slots = rule.slots.length;
    const [seedHigh, seedLow] = seedHalves("path", seed), [noiseHigh, noiseLow] = seedHalves("path", noise?.seed);
    const wanted = {
      rule: rule.index, landscape: landscape?.index ?? 0, steps, x: start[0], y: start[1], single: Number(dtype === "float32"),
      shift_x: shift[0], shift_y: shift[1], noisy: Number(Boolean(noise)), eta: noise ? noise.eta ?? noise.sigma * noise.sigma : 0,
      gamma: noise?.gamma ?? (noise?.eta === undefined ? 0 : 0.55), noise_high: noiseHigh, noise_low: noiseLow,
      clip_value: clip?.kind === "value" ? clip.value : 0, clip_norm: clip?.kind === "norm" ? clip.value : 0,
      sam: wrap?.kind === "sam" ? wrap.rho ?? 0.05 : 0, slow_every: wrap?.kind === "lookahead" ? wrap.k ?? 5 : 0,
      slow_share: wrap?.alpha ?? 0.5, points: n, absolute: Number(data?.loss === "mae"), batch: data && size < n ? size : 0,
      seed_high: seedHigh, seed_low: seedLow, scheduled: Number(Object.keys(optimizer.schedules ?? {}).length > 0),
    };
    const out = 3 * (steps + 1) + 6 * steps + 2 * slots * (steps + 1);
    const [at, all] = room(PATH_FIELDS.length + rows.length + 3 * n + out);
    PATH_FIELDS.forEach((name, i) => (all[i] = wanted[name]));
    let next = PATH_FIELDS.length;
    const put = (numbers) => (all.set(numbers, next), (next += numbers.length), at + 8 * (next - numbers.length));
    const addresses = [put(rows), put(data ? data.x : []), put(data ? data.y : [])];
    wasm.path(at, ...addresses, at + 8 * next, at + 8 * (next + n));
    next += n;
    const take = (count) => all.slice(next, (next += count));
    const result = {points: take(2 * (steps + 1)), losses: take(steps + 1), gradients: take(2 * steps), raw: take(2 * steps), ahead: take(2 * steps)};
    const kept = take(2 * slots * (steps + 1));
    result.slots = Object.fromEntries(rule.slots.map(({name}, j) => [name, column(kept, j, slots, steps + 1, 2)]));
    result.hypers = Object.fromEntries(rule.hypers.map((h) => [h.name, column(rows, h.column, rule.width, steps, 1)]));
    return {...result, ...ends(result, (data ?? landscape).domain)};
  }

  // Of a table with `width` groups of `each` numbers in every row, the groups at one place.
  function column(table, place, width, rows, each) {
    const out = new Float64Array(rows * each);
    for (let t = 0; t < rows; ++t) {
      for (let k = 0; k < each; ++k) out[t * each + k] = table[(t * width + place) * each + k];
    }
    return out;
  }

  // When it left the map for good, which is three times as wide as what is drawn, and when numbers broke.
  function ends({points, losses}, [x0, x1, y0, y1]) {
    const inside = (t) => Math.abs(2 * points[2 * t] - x0 - x1) <= 3 * (x1 - x0) && Math.abs(2 * points[2 * t + 1] - y0 - y1) <= 3 * (y1 - y0);
    const broke = losses.findIndex((loss, t) => !Number.isFinite(loss + points[2 * t] + points[2 * t + 1]));
    let left = losses.length;
    while (left > 0 && !inside(left - 1)) --left;
    return {left_at: left < losses.length ? left : null, broke_at: broke < 0 ? null : broke};
  }

  return {
    rules, landscapes, schedules, wholeTensor: WHOLE_TENSOR.map((name) => ({name, label: name, hypers: []})),
    gradient, grid, line, batch, path, fused: wasm.fused,
    python: (spec) => pythonCode(spec, found("python", ruleByKey, spec.optimizer.rule, "rule")),
    value: (f, x, y) => gradient(f, x, y)[0],
    normal: (seed, n) => draw("normals", seed, n),
    schedule: scheduled,
    uniform: (seed, n) => draw("uniforms", seed, n),
  };
}
