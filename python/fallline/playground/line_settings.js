// What can be set in the line fit? Points, noise, the true line, the loss, batch size, learning rate, steps.

import {button, segments, slider} from "./controls.js";
import {make} from "./dom.js";

const RATES = [
  [0.01, "small"],
  [0.1, "medium"],
  [0.9, "large"],
];

/**
 * The controls. They write into `lab` and call: `sample` for other data, `retrain` for another path, `look` for another
 * view, `rate` after a quick learning rate, `length(steps)`. `set()` shows what the state says.
 */
export function lineSettings({lab, sample, retrain, look, rate, length}) {
  const write = (name, then) => (v) => {
    lab[name] = v;
    then(name);
  };
  const points = slider({
    label: "training points",
    value: lab.points,
    low: 2,
    high: 5000,
    scale: "log",
    whole: true,
    allowed: (v) => v >= 2 && v <= 5000,
    onchange: write("points", sample),
  });
  const noise = slider({label: "noise", value: lab.noise, low: 0, high: 3, onchange: write("noise", sample)});
  const slope = slider({
    label: "true slope",
    value: lab.slope,
    low: -5,
    high: 5,
    allowed: () => true,
    onchange: write("slope", sample),
  });
  const intercept = slider({
    label: "true intercept",
    value: lab.intercept,
    low: -5,
    high: 5,
    allowed: () => true,
    onchange: write("intercept", sample),
  });
  const again = button(
    "Draw other points",
    () => {
      lab.sample += 1;
      sample();
    },
    {class: "resample"},
  );
  const loss = segments({
    label: "Loss",
    value: lab.loss,
    options: [
      ["mse", "L2, squared"],
      ["mae", "L1, absolute"],
    ],
    onchange: write("loss", sample),
  });
  const view = segments({
    label: "View",
    value: lab.view,
    options: [
      ["contour", "Map"],
      ["hills", "3-D"],
    ],
    onchange: write("view", look),
  });
  const batch = slider({
    label: "batch size",
    value: lab.batch || lab.points,
    low: 1,
    high: 5000,
    scale: "log",
    whole: true,
    allowed: (v) => v >= 1,
    onchange: (v) => {
      lab.batch = v;
      sizes.set(sized());
      retrain();
    },
  });
  const sized = () => (lab.batch === 0 || lab.batch >= lab.points ? "0" : String(lab.batch));
  const sizes = segments({
    label: "Batch size",
    value: sized(),
    options: [
      ["1", "1"],
      ["24", "24"],
      ["0", "all"],
    ],
    onchange: (v) => {
      lab.batch = Number(v);
      batch.set(lab.batch || lab.points);
      retrain();
    },
  });
  const rates = segments({
    label: "Learning rate",
    value: String(lab.runs[0].hypers.lr),
    options: RATES,
    onchange: (v) => {
      lab.runs[0].hypers.lr = v;
      delete lab.runs[0].schedules.lr;
      rate();
    },
  });
  const steps = slider({
    label: "steps",
    value: lab.steps,
    low: 1,
    high: 1000,
    scale: "log",
    whole: true,
    allowed: (v) => v >= 1 && v <= 5000,
    onchange: (v) => {
      lab.steps = v;
      length(v);
    },
  });
  const set = () => {
    slope.set(lab.slope);
    intercept.set(lab.intercept);
    batch.set(lab.batch || lab.points);
    sizes.set(sized());
    rates.set(String(lab.runs[0].hypers.lr));
  };
  const named = (text, control) => [make("span", {}, text), control.node];
  return {
    set,
    view: view.node,
    quick: make("div", {class: "quick"}, named("learning rate", rates), named("batch", sizes), named("loss", loss)),
    node: make(
      "div",
      {class: "settings", "data-part": "more"},
      ...[batch, steps, points, noise, slope, intercept].map((control) => control.node),
      again,
    ),
  };
}
