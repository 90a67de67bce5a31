// Which numbers are followed from step to step? Loss, learning rate, effective rate of each axis, length, the line along a step.

import {line} from "./colours.js";
import {show} from "./dom.js";

export const CHARTS = [
  ["loss", "Loss"],
  ["rates", "Effective rate per axis"],
  ["lengths", "Step length / α"],
  ["lr", "Learning rate"],
  ["slice", "Along the step"],
];

/** The content of the chart and a sentence about it. `runs` are [{result, title}]; `focus` is the one that is explained. */
export function charted(kind, {runs, focus, t, steps, engine, f, drift}) {
  const one = runs[focus]?.result;
  const {colour} = line(focus);
  const each = (values) =>
    runs.flatMap(({result, title}, i) => (result ? [{values: values(result), title, ...line(i)}] : []));
  const base = {last: steps, cursor: t};
  if (kind === "lr")
    return [
      {...base, series: each((r) => r.hypers.lr ?? []), log: false, name: "learning rate α"},
      "The learning rate of each step, as its decay says.",
    ];
  if (kind === "rates" && one) {
    const series = [0, 1].map((axis) => ({
      values: rates(one, axis),
      colour,
      dash: axis ? "5 4" : "",
      title: axis ? "w₂" : "w₁",
    }));
    return [
      {...base, series, log: true, name: "step / gradient"},
      `${runs[focus].title}: how far each axis moves for its gradient; solid w₁, dashed w₂. Gradient descent has one rate for both; adaptive rules give the flat axis the larger one.`,
    ];
  }
  if (kind === "lengths")
    return [
      {...base, series: each(lengths), log: true, name: "|step| / α"},
      "The length of each step over the learning rate: where the gradients no longer agree, Adam's steps shrink by themselves.",
    ];
  if (kind === "slice" && one) return slice({one, t, steps, engine, f, colour, drift, title: runs[focus].title});
  const all = each((r) => r.losses);
  const low = Math.min(...all.flatMap((s) => Array.from(s.values)).filter(Number.isFinite));
  return [
    {...base, series: all, log: low > 0, name: "loss"},
    "The loss after each step, without the noise. Click to go to a step.",
  ];
}

function rates({points, gradients}, axis) {
  return Array.from({length: gradients.length / 2}, (_, t) => {
    const g = gradients[2 * t + axis];
    const moved = points[2 * t + axis] - points[2 * t + 2 + axis];
    return Math.abs(g) < 1e-12 ? NaN : moved / g;
  });
}

const lengths = ({points, hypers, losses}) =>
  Array.from(
    {length: losses.length - 1},
    (_, t) =>
      Math.hypot(points[2 * t + 2] - points[2 * t], points[2 * t + 3] - points[2 * t + 1]) / (hypers.lr?.[t] || 1),
  );

// The loss along the line of one step, and the straight line that the gradient promises.
function slice({one, t, steps, engine, f, colour, title, drift = [0, 0]}) {
  const k = Math.min(t, steps - 1);
  const [x, y] = [one.points[2 * k] - k * drift[0], one.points[2 * k + 1] - k * drift[1]];
  const [dx, dy] = [one.points[2 * k + 2] - one.points[2 * k], one.points[2 * k + 3] - one.points[2 * k + 1]];
  const [value, gx, gy] = engine.gradient(f, x, y);
  const promised = gx * dx + gy * dy;
  const shares = Array.from({length: 61}, (_, i) => i / 24);
  const real = shares.map((s) => engine.value(f, x + s * dx, y + s * dy));
  const straight = shares.map((s) => value + s * promised);
  const after = engine.value(f, x + dx, y + dy);
  const series = [
    {
      values: real,
      colour,
      dash: "",
      title: "the loss",
      dots: Number.isFinite(after)
        ? [
            [0, value],
            [1, after],
          ]
        : [],
    },
    {values: straight, colour: "currentColor", dash: "5 4", title: "what the gradient promises"},
  ];
  const words = `${title}, step ${k + 1}: the gradient promises a change of ${show(promised)} (dashed), the loss changes by ${show(after - value)}. The error grows with the step where the ground is curved.`;
  return [{series, log: false, last: 2.5, xs: [0, 2.5], across: "multiples of the step", name: "loss"}, words];
}
