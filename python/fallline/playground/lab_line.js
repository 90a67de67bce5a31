// The line-fit lab: points drawn around a line, the loss over slope and intercept, and training from the red dot.

import {chart} from "./chart.js";
import {line as colourOf} from "./colours.js";
import {button, segments, slider} from "./controls.js";
import {dataPlot} from "./data_plot.js";
import {make, show} from "./dom.js";
import {update} from "./explain.js";
import {exports} from "./exporting.js";
import {player} from "./player.js";
import {questions} from "./questions.js";
import {cards, title} from "./runs.js";
import {arrows, scene, strand} from "./scene.js";
import {entry} from "./settings.js";
import {bestRate, lineSpec, rateOf, ruleOf} from "./specs.js";
import {verdict} from "./verdict.js";

const NAMES = ["slope", "intercept"];
const WINDOW = [[-5, 5], [-5, 5]];
const PHASES = ["1 Forward", "2 Loss", "3 Backward", "4 Update"];
const RATES = [[0.01, "small"], [0.1, "medium"], [0.9, "large"]];

/** The lab's element and what the page needs of it. `lab` is its part of the state, written in place. */
export function lineLab({engine, lab, root, dark, say, saved, link}) {
  let data = null;
  let result = null;
  let failure = "";
  let phase = -1;
  const plot = dataPlot({redraw: () => result && draw()});
  const view = scene({label: "The loss over slope and intercept", names: NAMES, dark, redraw: () => result && draw()});
  const red = view.flat.add({label: "start: slope and intercept", kind: "start", move: (x, y) => { lab.start = [x, y]; retrain(); }});
  const blue = view.flat.add({label: "ground truth: slope and intercept", kind: "truth", move: (x, y) => { [lab.slope, lab.intercept] = [x, y]; sliders(); sample(); }});
  const play = player({steps: lab.steps, speed: lab.speed, at: () => { phase = -1; draw(); }, fast: (v) => { lab.speed = v; saved(); }});
  const part = button("Part of a step", () => {
    play.pause();
    if (phase === 3 || play.state.t >= lab.steps) play.to(play.state.t >= lab.steps ? 0 : play.state.t);
    phase = (phase + 1) % 4;
    if (phase === 3) {
      play.to(play.state.t + 1);
      phase = 3;
    }
    draw();
  }, {class: "part", title: "Forward, loss, backward, update: one after the other"});
  const stages = PHASES.map((text) => make("li", {}, text));
  const told = make("div", {class: "explained", "aria-live": "off"});
  const losses = chart({label: "loss against step", seek: (t) => { play.pause(); play.to(t); }, resized: () => result && draw()});
  const runCards = cards({engine, lab, single: true, changed: () => retrain(), rebuilt: () => retrain(), find: (run) => bestRate(engine, (r) => lineSpec(lab, data, r), run)});
  const asked = questions();
  const write = (name, then) => (v) => {
    lab[name] = v;
    then(name);
  };
  const resampled = () => sample();
  const points = slider({label: "training points", value: lab.points, low: 2, high: 5000, scale: "log", whole: true, allowed: (v) => v >= 2 && v <= 5000, onchange: write("points", resampled)});
  const noise = slider({label: "noise", value: lab.noise, low: 0, high: 3, onchange: write("noise", resampled)});
  const slope = slider({label: "true slope", value: lab.slope, low: -5, high: 5, allowed: () => true, onchange: write("slope", resampled)});
  const intercept = slider({label: "true intercept", value: lab.intercept, low: -5, high: 5, allowed: () => true, onchange: write("intercept", resampled)});
  const again = button("Draw other points", () => { lab.sample += 1; sample(); }, {class: "resample"});
  const loss = segments({label: "Loss", value: lab.loss, options: [["mse", "L2, squared"], ["mae", "L1, absolute"]], onchange: write("loss", resampled)});
  const look = segments({label: "View", value: lab.view, options: [["contour", "Map"], ["hills", "3-D"]], onchange: (v) => { lab.view = v; draw(); saved(); }});
  const batch = slider({label: "batch size", value: lab.batch || lab.points, low: 1, high: 5000, scale: "log", whole: true, allowed: (v) => v >= 1, onchange: (v) => { lab.batch = v; sizes.set(sized()); retrain(); }});
  const sized = () => (lab.batch === 0 || lab.batch >= lab.points ? "0" : String(lab.batch));
  const sizes = segments({label: "Batch size", value: sized(), options: [["1", "1"], ["24", "24"], ["0", "all"]], onchange: (v) => { lab.batch = Number(v); batch.set(lab.batch || lab.points); retrain(); }});
  const rates = segments({label: "Learning rate", value: String(lab.runs[0].hypers.lr), options: RATES, onchange: (v) => { lab.runs[0].hypers.lr = v; delete lab.runs[0].schedules.lr; runCards.build(); retrain(); }});
  const steps = slider({label: "steps", value: lab.steps, low: 1, high: 1000, scale: "log", whole: true, allowed: (v) => v >= 1 && v <= 5000, onchange: (v) => { lab.steps = v; play.length(v); retrain(); }});
  const entries = NAMES.map((name, axis) => entry({label: `start ${name}`, value: lab.start[axis], onchange: (v) => { lab.start = axis ? [lab.start[0], v] : [v, lab.start[1]]; retrain(); }}));

  function sliders() {
    slope.set(lab.slope);
    intercept.set(lab.intercept);
  }
  function sample() {
    data = engine.line({points: lab.points, noise: lab.noise, slope: lab.slope, intercept: lab.intercept, seed: lab.sample, loss: lab.loss});
    batch.set(lab.batch === 0 ? lab.points : lab.batch);
    sizes.set(sized());
    retrain();
  }
  function retrain() {
    failure = "";
    try {
      result = engine.path(lineSpec(lab, data, lab.runs[0]));
    } catch (error) {
      failure = error.message;
    }
    rates.set(String(lab.runs[0].hypers.lr));
    draw();
    tell();
    saved();
  }
  const now = () => [result.points[2 * play.state.t], result.points[2 * play.state.t + 1]];
  function draw() {
    const t = play.state.t;
    const minima = data.best ? [{x: data.best[0], y: data.best[1], kind: "minimum", title: "best line for this sample"}] : [];
    const step = Math.max(0, Math.min(t, lab.steps - 1) - (phase === 3 ? 1 : 0));
    const rows = phase >= 0 ? engine.batch(data, step, lab.batch === 0 ? lab.points : Math.min(lab.batch, lab.points), lab.seed) : null;
    const wanted = phase >= 2 ? arrows(result, step, {gradient: true}, WINDOW) : [];
    view.draw({
      engine, f: data, key: [lab.points, lab.noise, lab.slope, lab.intercept, lab.sample, lab.loss], window: WINDOW, marks: minima,
      paths: [strand(result, 0, t, false)], at: 0, dimensions: 2, scale: "log", map: lab.map, view: lab.view, arrows: wanted,
      handles: [{handle: red, at: lab.start}, {handle: blue, at: [lab.slope, lab.intercept]}],
      spots: [{x: lab.start[0], y: lab.start[1], loss: result.losses[0], colour: "var(--start)"}, {x: lab.slope, y: lab.intercept, loss: engine.value(data, lab.slope, lab.intercept), colour: "var(--truth)"}],
    });
    plot.show({line: data, line_now: now(), truth: [lab.slope, lab.intercept], rows, phase});
    const atTruth = engine.value(data, lab.slope, lab.intercept);
    losses.show({series: [{values: result.losses, title: "loss", ...colourOf(0)}], log: true, cursor: t, last: lab.steps, levels: atTruth > 0 ? [{value: atTruth, title: "ground truth"}] : [], name: "loss over all points"});
    explain(t, step, rows);
  }
  function explain(t, step, rows) {
    stages.forEach((s, i) => s.toggleAttribute("data-on", i === phase));
    if (phase < 0) return told.replaceChildren(...(t < 1 ? [make("p", {}, "Run, or take a step in its four parts.")] : update(ruleOf(engine, lab.runs[0].rule), result, t, NAMES)));
    const [slope, intercept] = [result.points[2 * step], result.points[2 * step + 1]];
    const [gs, gi] = [result.gradients[2 * step], result.gradients[2 * step + 1]];
    const part = batchLoss(data, rows, slope, intercept);
    const power = lab.loss === "mae" ? "|ŷ − y|" : "(ŷ − y)²";
    const words = [
      `Forward: the line now predicts ŷ = ${show(slope)} x + ${show(intercept)} for the ${rows.length} points of this batch, marked in the data.`,
      `Loss: the mean of ${power} over the batch is ${show(part, 4)}; the vertical lines are the errors. Over all points it is ${show(result.losses[step], 4)}.`,
      `Backward: the derivative of that mean is ${show(gs, 4)} for the slope and ${show(gi, 4)} for the intercept; the arrow points against it.`,
      `Update: ${ruleOf(engine, lab.runs[0].rule).label} goes to slope ${show(result.points[2 * step + 2], 4)} and intercept ${show(result.points[2 * step + 3], 4)}.`,
    ];
    told.replaceChildren(make("p", {}, words[phase]));
  }
  function tell() {
    entries.forEach((e, axis) => e.set(lab.start[axis]));
    const atTruth = engine.value(data, lab.slope, lab.intercept);
    const atBest = data.best ? engine.value(data, data.best[0], data.best[1]) : NaN;
    const v = verdict(result, WINDOW, data.best ? [[data.best[0], data.best[1], atBest]] : []);
    const end = result.losses.at(-1);
    const beside = end < atTruth ? "below" : "above";
    const text = failure || (v.kind === "broke" || v.kind === "left" ? v.text : `${v.text}; loss ${show(end)}, ${beside} the ground truth's ${show(atTruth)}`);
    runCards.tell([{kind: failure ? "broke" : v.kind, text}]);
    asked.tell({truth: [lab.slope, lab.intercept], best: data.best, atTruth, atBest, end, rate: rateOf(lab.runs[0], ruleOf(engine, lab.runs[0].rule)), limit: 2 / curvature(data), batch: lab.batch, points: lab.points, loss: lab.loss});
    say(text, true);
  }
  const out = exports({root, say, link, names: NAMES, picture: view.picture, python: () => engine.python(lineSpec(lab, data, lab.runs[0])), runs: () => [{result, title: title(lab.runs[0], engine)}]});
  const node = make(
    "div",
    {class: "lab line"},
    make("div", {class: "columns even"},
      make("figure", {class: "left"}, make("figcaption", {}, "The data"), plot.node),
      make("figure", {class: "right"}, make("figcaption", {}, "The loss over slope and intercept", look.node), view.flat.node, view.hills.node)),
    make("div", {class: "columns even"},
      make("div", {class: "left"},
        make("div", {"data-part": "player"}, play.node, make("div", {class: "phases"}, part, make("ol", {}, ...stages))),
        make("div", {class: "starts"}, ...entries.map((e) => e.node)),
        make("section", {class: "panel", "data-part": "charts"}, losses.node, told),
        out),
      make("div", {class: "right"},
        make("div", {class: "quick"}, make("span", {}, "learning rate"), rates.node, make("span", {}, "batch"), sizes.node, make("span", {}, "loss"), loss.node),
        make("div", {"data-part": "runs"}, runCards.node),
        make("div", {class: "settings", "data-part": "more"}, batch.node, steps.node, points.node, noise.node, slope.node, intercept.node, again))),
    asked.node);
  return {
    node,
    begin: () => { view.forget(); sample(); plot.fit(); view.flat.fit(); },
    redraw: () => { view.forget(); draw(); },
    results: () => [{result, run: lab.runs[0], spec: lineSpec(lab, data, lab.runs[0])}],
  };
}

// Phases of a step show the loss of its batch: the same mean that the module takes.
function batchLoss({x, y, loss}, rows, slope, intercept) {
  let sum = 0;
  for (const i of rows) {
    const e = slope * x[i] + intercept - y[i];
    sum += loss === "mae" ? Math.abs(e) : e * e;
  }
  return sum / rows.length;
}

// The largest second derivative of the mean square: the larger eigenvalue of 2 (mean x², mean x; mean x, 1).
function curvature({x}) {
  let [first, second] = [0, 0];
  for (const v of x) [first, second] = [first + v / x.length, second + (v * v) / x.length];
  return second + 1 + Math.sqrt((second - 1) ** 2 + 4 * first * first);
}
