// The line-fit lab: points drawn around a line, the loss over slope and intercept, and training from the red dot.

import {chart} from "./chart.js";
import {line as colourOf} from "./colours.js";
import {button} from "./controls.js";
import {dataPlot} from "./data_plot.js";
import {make, show} from "./dom.js";
import {update} from "./explain.js";
import {exports} from "./exporting.js";
import {lineSettings} from "./line_settings.js";
import {PHASES, phaseWords} from "./phases.js";
import {player} from "./player.js";
import {curvature, questions} from "./questions.js";
import {cards, title} from "./runs.js";
import {arrows, scene, strand} from "./scene.js";
import {entry} from "./settings.js";
import {bestRate, lineSpec, rateOf, ruleOf} from "./specs.js";
import {verdict} from "./verdict.js";

const NAMES = ["slope", "intercept"];
const WINDOW = [
  [-5, 5],
  [-5, 5],
];

/** The lab's element and what the page needs of it. `lab` is its part of the state, written in place. */
export function lineLab({engine, lab, root, dark, say, saved, link}) {
  let data = null;
  let result = null;
  let failure = "";
  let phase = -1;
  const plot = dataPlot({redraw: () => result && draw()});
  const view = scene({label: "The loss over slope and intercept", names: NAMES, dark, redraw: () => result && draw()});
  const red = view.flat.add({
    label: "start: slope and intercept",
    kind: "start",
    move: (x, y) => {
      lab.start = [x, y];
      retrain();
    },
  });
  const blue = view.flat.add({
    label: "ground truth: slope and intercept",
    kind: "truth",
    move: (x, y) => {
      [lab.slope, lab.intercept] = [x, y];
      sample();
    },
  });
  const play = player({
    steps: lab.steps,
    speed: lab.speed,
    at: () => {
      phase = -1;
      draw();
    },
    fast: (v) => {
      lab.speed = v;
      saved();
    },
  });
  const part = button(
    "Part of a step",
    () => {
      play.pause();
      if (phase === 3 || play.state.t >= lab.steps) play.to(play.state.t >= lab.steps ? 0 : play.state.t);
      phase = (phase + 1) % 4;
      if (phase === 3) {
        play.to(play.state.t + 1);
        phase = 3;
      }
      draw();
    },
    {class: "part", title: "Forward, loss, backward, update: one after the other"},
  );
  const stages = PHASES.map((text) => make("li", {}, text));
  const told = make("div", {class: "explained", "aria-live": "off"});
  const losses = chart({
    label: "loss against step",
    seek: (t) => {
      play.pause();
      play.to(t);
    },
    resized: () => result && draw(),
  });
  const runCards = cards({
    engine,
    lab,
    single: true,
    changed: () => retrain(),
    rebuilt: () => retrain(),
    find: (run) => bestRate(engine, (r) => lineSpec(lab, data, r), run),
  });
  const asked = questions();
  const controls = lineSettings({
    lab,
    sample: () => sample(),
    retrain: () => retrain(),
    look: () => {
      draw();
      saved();
    },
    rate: () => {
      runCards.build();
      retrain();
    },
    length: (v) => {
      play.length(v);
      retrain();
    },
  });
  const entries = NAMES.map((name, axis) =>
    entry({
      label: `start ${name}`,
      value: lab.start[axis],
      onchange: (v) => {
        lab.start = axis ? [lab.start[0], v] : [v, lab.start[1]];
        retrain();
      },
    }),
  );

  function sample() {
    data = engine.line({
      points: lab.points,
      noise: lab.noise,
      slope: lab.slope,
      intercept: lab.intercept,
      seed: lab.sample,
      loss: lab.loss,
    });
    retrain();
  }
  function retrain() {
    failure = "";
    try {
      result = engine.path(lineSpec(lab, data, lab.runs[0]));
    } catch (error) {
      failure = error.message;
    }
    controls.set();
    draw();
    tell();
    saved();
  }
  const now = () => [result.points[2 * play.state.t], result.points[2 * play.state.t + 1]];
  function draw() {
    const t = play.state.t;
    const minima = data.best
      ? [{x: data.best[0], y: data.best[1], kind: "minimum", title: "best line for this sample"}]
      : [];
    const step = Math.max(0, Math.min(t, lab.steps - 1) - (phase === 3 ? 1 : 0));
    const rows =
      phase >= 0
        ? engine.batch(data, step, lab.batch === 0 ? lab.points : Math.min(lab.batch, lab.points), lab.seed)
        : null;
    const wanted = phase >= 2 ? arrows(result, step, {gradient: true}, WINDOW) : [];
    view.draw({
      engine,
      f: data,
      key: [lab.points, lab.noise, lab.slope, lab.intercept, lab.sample, lab.loss],
      window: WINDOW,
      marks: minima,
      paths: [strand(result, 0, t, false)],
      at: 0,
      dimensions: 2,
      scale: "log",
      map: lab.map,
      view: lab.view,
      arrows: wanted,
      handles: [
        {handle: red, at: lab.start},
        {handle: blue, at: [lab.slope, lab.intercept]},
      ],
      spots: [
        {x: lab.start[0], y: lab.start[1], loss: result.losses[0], colour: "var(--start)"},
        {x: lab.slope, y: lab.intercept, loss: engine.value(data, lab.slope, lab.intercept), colour: "var(--truth)"},
      ],
    });
    plot.show({line: data, line_now: now(), truth: [lab.slope, lab.intercept], rows, phase});
    const atTruth = engine.value(data, lab.slope, lab.intercept);
    losses.show({
      series: [{values: result.losses, title: "loss", ...colourOf(0)}],
      log: true,
      cursor: t,
      last: lab.steps,
      levels: atTruth > 0 ? [{value: atTruth, title: "ground truth"}] : [],
      name: "loss over all points",
    });
    explain(t, step, rows);
  }
  function explain(t, step, rows) {
    stages.forEach((s, i) => s.toggleAttribute("data-on", i === phase));
    if (phase < 0)
      return told.replaceChildren(
        ...(t < 1
          ? [make("p", {}, "Run, or take a step in its four parts.")]
          : update(ruleOf(engine, lab.runs[0].rule), result, t, NAMES)),
      );
    const label = ruleOf(engine, lab.runs[0].rule).label;
    told.replaceChildren(make("p", {}, phaseWords({phase, step, rows, data, result, label})));
  }
  function tell() {
    entries.forEach((e, axis) => e.set(lab.start[axis]));
    const atTruth = engine.value(data, lab.slope, lab.intercept);
    const atBest = data.best ? engine.value(data, data.best[0], data.best[1]) : NaN;
    const v = verdict(result, WINDOW, data.best ? [[data.best[0], data.best[1], atBest]] : []);
    const end = result.losses.at(-1);
    const beside = end < atTruth ? "below" : "above";
    const text =
      failure ||
      (v.kind === "broke" || v.kind === "left"
        ? v.text
        : `${v.text}; loss ${show(end)}, ${beside} the ground truth's ${show(atTruth)}`);
    runCards.tell([{kind: failure ? "broke" : v.kind, text}]);
    asked.tell({
      truth: [lab.slope, lab.intercept],
      best: data.best,
      atTruth,
      atBest,
      end,
      rate: rateOf(lab.runs[0], ruleOf(engine, lab.runs[0].rule)),
      limit: 2 / curvature(data),
      batch: lab.batch,
      points: lab.points,
      loss: lab.loss,
    });
    say(text, true);
  }
  const out = exports({
    root,
    say,
    link,
    names: NAMES,
    picture: view.picture,
    python: () => engine.python(lineSpec(lab, data, lab.runs[0])),
    runs: () => [{result, title: title(lab.runs[0], engine)}],
  });
  const node = make(
    "div",
    {class: "lab line"},
    make(
      "div",
      {class: "columns even"},
      make(
        "figure",
        {class: "left"},
        make("figcaption", {}, "The data"),
        plot.node,
        make(
          "p",
          {class: "note"},
          "Red: the line now. Blue, dashed: the ground truth, from which the points were drawn.",
        ),
      ),
      make(
        "figure",
        {class: "right"},
        make("figcaption", {}, "The loss over slope and intercept", controls.view),
        view.flat.node,
        view.hills.node,
        make(
          "p",
          {class: "note"},
          "Red dot: the start. Blue dot: the ground truth. Star: the best line for these points, near the blue dot or under it. Drag both dots.",
        ),
      ),
    ),
    make(
      "div",
      {class: "columns even"},
      make(
        "div",
        {class: "left"},
        make(
          "div",
          {"data-part": "player"},
          play.node,
          make("div", {class: "phases"}, part, make("ol", {}, ...stages)),
        ),
        make("div", {class: "starts"}, ...entries.map((e) => e.node)),
        make("section", {class: "panel", "data-part": "charts"}, losses.node, told),
        out,
      ),
      make("div", {class: "right"}, controls.quick, make("div", {"data-part": "runs"}, runCards.node), controls.node),
    ),
    asked.node,
  );
  return {
    node,
    begin: () => {
      view.forget();
      sample();
      plot.fit();
      view.flat.fit();
    },
    redraw: () => {
      view.forget();
      draw();
    },
    results: () => [{result, run: lab.runs[0], spec: lineSpec(lab, data, lab.runs[0])}],
  };
}
