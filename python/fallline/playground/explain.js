// What does one update do? The rule's formula in its paper's letters, and the same with the numbers of this step.

import {make, show} from "./dom.js";

// {x} is replaced by a number: `g` the gradient, `w` the point, a slot's name its new value, a slot's name and ' its old
// one, a hyper-parameter by its name, `t` the step. What stands before ← is a slot, the point w, or `hat: formula`.
const LINES = {
  sgd: ["w ← {w} − {lr} · {g}"],
  momentum: ["v ← {momentum} · {v'} + {g}", "w ← {w} − {lr} · {v}"],
  nesterov: ["v ← {momentum} · {v'} + {g}", "w ← {w} − {lr} · ({g} + {momentum} · {v})"],
  nesterov_lookahead: ["v ← {momentum} · {v'} + {g}, where g is the gradient at w − α β v", "w ← {w} − {lr} · {v}"],
  adagrad: ["v ← {v'} + {g}²", "w ← {w} − {lr} · {g} / (√{v} + {eps})"],
  rmsprop: ["v ← {alpha} · {v'} + (1 − {alpha}) · {g}²", "w ← {w} − {lr} · {g} / (√{v} + {eps})"],
  adam: [
    "m ← {beta1} · {m'} + (1 − {beta1}) · {g}",
    "v ← {beta2} · {v'} + (1 − {beta2}) · {g}²",
    "m̂ = {m} / (1 − {beta1}^{t}),  v̂ = {v} / (1 − {beta2}^{t})",
    "w ← {w} − {lr} · {mhat} / (√{vhat} + {eps})",
  ],
  signum: ["m ← {momentum} · {m'} + (1 − {momentum}) · {g}", "w ← {w} − {lr} · sign({m})"],
  lion: [
    "c = {beta1} · {m'} + (1 − {beta1}) · {g}",
    "w ← {w} − {lr} · sign(c)",
    "m ← {beta2} · {m'} + (1 − {beta2}) · {g}",
  ],
};
LINES.adamw = LINES.adam;

/** The lines for one step (1 first) of a run, as DOM nodes. */
export function update(rule, result, step, names) {
  const t = step - 1;
  const before = [result.points[2 * t], result.points[2 * t + 1]];
  const after = [result.points[2 * step], result.points[2 * step + 1]];
  const g = [result.gradients[2 * t], result.gradients[2 * t + 1]];
  const blocks = LINES[rule.key] ? formulas(rule, result, t, before, g, names) : changes(rule, result, t);
  const vector = (v) => `(${show(v[0], 4)}, ${show(v[1], 4)})`;
  return [
    make(
      "p",
      {},
      `Step ${step}: at ${names[0]} = ${show(before[0], 4)}, ${names[1]} = ${show(before[1], 4)} the loss is ${show(result.losses[t], 4)}.`,
    ),
    make("p", {}, `Gradient g = ${vector(g)}.`),
    ...blocks,
    make(
      "p",
      {},
      `The new point is ${vector(after)}; the loss ${result.losses[step] <= result.losses[t] ? "falls" : "rises"} to ${show(result.losses[step], 4)}.`,
    ),
  ];
}

const bracketed = (v) => (v < 0 ? `(${show(v, 4)})` : show(v, 4));

function formulas(rule, result, t, before, g, names) {
  const letters = Object.fromEntries(rule.hypers.map((h) => [h.name, h.letter || h.name]));
  const lines = LINES[rule.key];
  const symbols = (text) =>
    text.replace(/\{(\w+)('?)\}/g, (_, name) => ({mhat: "m̂", vhat: "v̂"})[name] ?? letters[name] ?? name);
  const corrected = !(result.hypers.bias_correction && result.hypers.bias_correction[t] === 0);
  const numbers = (text, axis) => text.replace(/\{(\w+)('?)\}/g, (_, name, old) => bracketed(number(name, old, axis)));
  const number = (name, old, axis) => {
    const slot = result.slots[name];
    const at = 2 * (t + (old ? 0 : 1)) + axis;
    const {beta1, beta2} = result.hypers;
    if (slot) return slot[at];
    if (name === "w") return before[axis];
    if (name === "g") return g[axis];
    if (name === "t") return t + 1;
    if (name === "mhat") return result.slots.m[at] / (corrected ? 1 - beta1[t] ** (t + 1) : 1);
    if (name === "vhat") return result.slots.v[at] / (corrected ? 1 - beta2[t] ** (t + 1) : 1);
    return result.hypers[name][t];
  };
  const shown = corrected ? lines : lines.filter((l) => !l.includes("m̂ ="));
  return [
    make("p", {class: "formula"}, ...shown.flatMap((l) => [symbols(l), make("br")])),
    ...names.map((axis, i) =>
      make(
        "p",
        {class: "formula numbers"},
        make("b", {}, `${axis}  `),
        ...shown.flatMap((l) => [numbers(l, i), make("br")]),
      ),
    ),
  ];
}

// A rule without a row above: what each of its slots became.
function changes(rule, result, t) {
  const pair = (a, k) => `(${show(a[2 * k], 4)}, ${show(a[2 * k + 1], 4)})`;
  const slots = rule.slots.filter(({name}) => result.slots[name]);
  const word = (s) =>
    `${s.name}, ${s.meaning}: ${pair(result.slots[s.name], t)} → ${pair(result.slots[s.name], t + 1)}`;
  const rates = Object.entries(result.hypers)
    .filter(([name]) => name === "lr")
    .map(([, values]) => `α = ${show(values[t], 4)}`);
  return [
    make("p", {class: "formula numbers"}, ...[...slots.map(word), ...rates].flatMap((text) => [text, make("br")])),
  ];
}
