// What does a link say? The whole state as readable text after the #, and back; what it does not know is left out and said.

/** The state of a new page. Every member stands here; a link holds those that differ. */
export const fresh = () => ({
  lab: "optimizers",
  optimizers: {
    landscape: "ravine",
    start: null, // the landscape's own
    steps: 30,
    runs: [
      {rule: "sgd", hypers: {lr: 0.09}, schedules: {}, wrap: "none"},
      {rule: "momentum", hypers: {lr: 0.09, momentum: 0.5}, schedules: {}, wrap: "none"},
    ],
    focus: 0,
    preset: "momentum",
    view: "contour",
    map: "sea",
    zoom: null,
    noise: 0,
    seed: 0,
    clip: "none",
    limit: 1,
    shift: [0, 0],
    gradient: false,
    momentum: false,
    ahead: false,
    dtype: "float64",
    speed: 8,
  },
  line: {
    points: 300,
    noise: 0.5,
    slope: 2,
    intercept: -1,
    sample: 0,
    loss: "mse",
    batch: 24,
    seed: 0,
    start: [-1, 2],
    steps: 60,
    runs: [{rule: "sgd", hypers: {lr: 0.1}, schedules: {}, wrap: "none"}],
    view: "contour",
    map: "sea",
    speed: 10,
  },
  page: {theme: "auto", embed: 0, hide: []},
});

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const safe = (text) => String(text).replace(/[^\w.,:;()\-~]/g, encodeURIComponent);

// A run: sgd;lr:0.1;momentum:cosine(initial:0.9,steps:100);wrap:sam
function runText({rule, hypers, schedules, wrap}) {
  const numbers = Object.entries(hypers)
    .filter(([name]) => !schedules[name])
    .map(([name, value]) => `${name}:${value}`);
  const timed = Object.entries(schedules).map(
    ([name, {name: schedule, arguments: given}]) =>
      `${name}:${schedule}(${Object.entries(given)
        .map(([key, value]) => `${key}:${value}`)
        .join(",")})`,
  );
  return [rule, ...numbers, ...timed, ...(wrap !== "none" ? [`wrap:${wrap}`] : [])].join(";");
}

function runOf(text, complain) {
  const [rule, ...parts] = text.split(";");
  const run = {rule, hypers: {}, schedules: {}, wrap: "none"};
  for (const part of parts) {
    const [, name, value] = /^(\w+):(.*)$/.exec(part) ?? [];
    const timed = /^(\w+)\((.*)\)$/.exec(value ?? "");
    if (name === "wrap") run.wrap = value;
    else if (timed) {
      const given = timed[2]
        .split(",")
        .filter(Boolean)
        .map((pair) => pair.split(":"));
      run.schedules[name] = {
        name: timed[1],
        arguments: Object.fromEntries(
          given.map(([k, v]) => [k, v !== undefined && Number.isFinite(Number(v)) ? Number(v) : v]),
        ),
      };
    } else if (name && Number.isFinite(Number(value))) run.hypers[name] = Number(value);
    else complain(`${part} of ${rule}`);
  }
  return run;
}

/** The text after the #. */
export function encode(state) {
  const base = fresh();
  const parts = [`lab=${state.lab}`];
  const put = (name, value) => parts.push(`${name}=${safe(value)}`);
  const lab = state[state.lab];
  // the lesson of a new page belongs to nothing else
  if (!same(state.optimizers, base.optimizers)) base.optimizers.preset = "";
  for (const [name, value] of Object.entries(lab)) {
    if (name === "runs" || value === null || same(value, base[state.lab][name])) continue;
    put(name, Array.isArray(value) ? value.flat().join(",") : typeof value === "boolean" ? Number(value) : value);
  }
  if (!same(lab.runs, base[state.lab].runs)) for (const run of lab.runs) put("run", runText(run));
  for (const [name, value] of Object.entries(state.page)) {
    if (!same(value, base.page[name])) put(name, Array.isArray(value) ? value.join(",") : value);
  }
  return parts.join("&");
}

/** The state of a text after the #, with what could not be read. */
export function decode(text) {
  const state = fresh();
  const odd = [];
  const pairs = text
    .replace(/^#/, "")
    .split("&")
    .filter(Boolean)
    .map((pair) => {
      const at = pair.indexOf("=");
      try {
        return [pair.slice(0, at), decodeURIComponent(pair.slice(at + 1))];
      } catch {
        odd.push(pair);
        return ["", ""];
      }
    });
  const named = pairs.find(([name]) => name === "lab")?.[1];
  if (named === "line" || named === "optimizers") state.lab = named;
  const lab = state[state.lab];
  if (pairs.some(([name]) => name === "run" || Object.hasOwn(lab, name))) state.optimizers.preset = "";
  const runs = pairs.filter(([name]) => name === "run").map(([, value]) => runOf(value, (what) => odd.push(what)));
  if (runs.length) lab.runs = runs.slice(0, 24);
  for (const [name, value] of pairs) {
    if (!name || name === "lab" || name === "run") continue;
    const home = Object.hasOwn(lab, name) ? lab : Object.hasOwn(state.page, name) ? state.page : null;
    const read = home && parsed(value, fresh()[home === lab ? state.lab : "page"][name], name);
    if (read === undefined || read === null) odd.push(`${name}=${value}`);
    else home[name] = read;
  }
  return {state, odd};
}

const PLACES = {start: 2, zoom: 4, shift: 2};
// What a value may be, so that a broken link gives a page and not an error.
const BOUNDS = {
  steps: [1, 5000],
  points: [2, 5000],
  batch: [0, 5000],
  noise: [0, 1e3],
  speed: [1, 500],
  seed: [0, 2 ** 31],
  sample: [0, 2 ** 31],
  limit: [1e-9, 1e9],
};

function parsed(value, model, name) {
  if (PLACES[name]) {
    const numbers = value.split(",").map(Number);
    if (numbers.length !== PLACES[name] || !numbers.every(Number.isFinite)) return undefined;
    return name === "zoom" ? [numbers.slice(0, 2), numbers.slice(2)] : numbers;
  }
  if (Array.isArray(model)) return value.split(",").filter(Boolean);
  if (typeof model === "boolean") return value === "1";
  if (typeof model !== "number") return value;
  const number = value === "" ? NaN : Number(value);
  const [low, high] = BOUNDS[name] ?? [-1e9, 1e9];
  const whole = ["steps", "points", "batch", "seed", "sample", "focus", "embed"].includes(name);
  return number >= low && number <= high && (!whole || Number.isInteger(number)) ? number : undefined;
}
