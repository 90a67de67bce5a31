// The optimizers' lab: one landscape, one start, several rules at once, their paths computed anew for every change.

import {CHARTS, charted} from "./charts.js";
import {chart} from "./chart.js";
import {line} from "./colours.js";
import {button, choice, segments} from "./controls.js";
import {make, show} from "./dom.js";
import {update} from "./explain.js";
import {exports} from "./exporting.js";
import {player} from "./player.js";
import {PRESETS} from "./presets.js";
import {remote} from "./remote.js";
import {cards, title} from "./runs.js";
import {arrows, scene, strand} from "./scene.js";
import {entry, settings, toolbar} from "./settings.js";
import {bestRate, landscapeSpec, pythonOf, ruleOf} from "./specs.js";
import {fresh} from "./state.js";
import {sweep} from "./sweep.js";
import {verdict} from "./verdict.js";
import {shown, whole, zoomed} from "./windows.js";

const NAMES = ["w₁", "w₂"];
const POWERS = {2: "²", 3: "³", 4: "⁴", 6: "⁶"};
const readable = (formula) =>
  formula
    .replace(/\^(\d)/g, (all, n) => POWERS[n] ?? all)
    .replace(/\bx\b/g, NAMES[0])
    .replace(/\by\b/g, NAMES[1])
    .replaceAll(" pi", " π");

/** The lab's element and what the page needs of it. `lab` is its part of the state, written in place. */
export function optimizersLab({engine, lab, root, server, dark, say, saved, link}) {
  const ask = server && remote(server, () => recompute(false));
  let results = [];
  let failure = [];
  let described = "";
  let late = 0;
  const landscape = () => engine.landscapes.find((l) => l.name === lab.landscape);
  const start = () => lab.start ?? landscape().start;
  const drift = (t = play.state.t) => [lab.shift[0] * t, lab.shift[1] * t];

  const view = scene({
    label: "The landscape with the start point and the paths",
    names: NAMES,
    dark,
    redraw: () => results.length && draw(),
  });
  const red = view.flat.add({
    label: "start point",
    kind: "start",
    move: (x, y) => moved(landscape().dimensions === 1 ? [x, start()[1]] : [x, y]),
  });
  const play = player({
    steps: lab.steps,
    speed: lab.speed,
    at: () => draw(),
    fast: (v) => {
      lab.speed = v;
      saved();
    },
  });
  const lines = chart({
    label: "a number against the steps",
    seek: (t) => {
      play.pause();
      play.to(t);
    },
    resized: () => draw(),
  });
  const entries = [0, 1].map((axis) =>
    entry({
      label: `start ${NAMES[axis]}`,
      value: start()[axis],
      onchange: (v) => moved(axis ? [start()[0], v] : [v, start()[1]]),
    }),
  );
  const bar = toolbar({engine, lab, changed: () => draw(), landscaped, zoom});
  const set = settings({
    lab,
    reseed: () => {
      lab.seed += 1;
      recompute();
    },
    changed: (name) => {
      if (name === "steps") play.length(lab.steps);
      if (name === "map") view.forget();
      recompute();
    },
  });
  const runCards = cards({
    engine,
    lab,
    server,
    changed: () => recompute(),
    rebuilt: () => recompute(),
    find: (run) => bestRate(engine, (r) => landscapeSpec(lab, r, start()), run),
  });
  const kinds = segments({
    label: "What the chart shows",
    value: "loss",
    options: CHARTS,
    onchange: (v) => {
      kind = v;
      draw();
    },
  });
  let kind = "loss";
  const legend = make("p", {class: "note"});
  const focus = make("span", {});
  const explained = make("div", {class: "explained", "aria-live": "off"});
  // The map has two axes: a run whose rule has a momentum goes before one whose has none.
  const shared = (run) => ruleOf(engine, run.rule).hypers.some((h) => h.kind === "share" && !h.common);
  const mapped = () => [lab.runs[lab.focus], ...lab.runs].find(shared) ?? lab.runs[lab.focus];
  const map = sweep({
    engine,
    run: mapped,
    spec: (run) => landscapeSpec({...lab, steps: Math.min(lab.steps, 300)}, run, start()),
    look: () => ({map: lab.map, dark: dark()}),
    set: (values) => {
      Object.assign(mapped().hypers, values);
      delete mapped().schedules.lr;
      runCards.build();
      recompute();
    },
  });
  const lesson = make("div", {class: "lesson", "aria-live": "polite"});
  const about = make("p", {class: "note about"});
  const chips = PRESETS.map((p) => button(p.title, () => load(p), {class: "chip", "data-preset": p.key}));

  function load(preset) {
    Object.assign(lab, structuredClone(fresh().optimizers), {runs: []}, structuredClone(preset.state), {
      preset: preset.key,
      view: lab.view,
      map: lab.map,
    });
    rebuild();
    kind = preset.chart ?? "loss";
    kinds.set(kind);
    draw();
    play.to(0);
    play.start();
  }
  function rebuild() {
    view.forget();
    play.length(lab.steps);
    play.pace(lab.speed);
    bar.set();
    set.set();
    runCards.build();
    recompute();
  }
  function landscaped() {
    Object.assign(lab, {start: null, zoom: null, preset: ""});
    const lost = lab.runs.filter(
      (run) =>
        !ruleOf(engine, run.rule).server &&
        !run.schedules.lr &&
        ["left", "broke"].includes(judged(engine.path(landscapeSpec(lab, run, start()))).kind),
    );
    for (const run of lost) run.hypers.lr = bestRate(engine, (r) => landscapeSpec(lab, r, start()), run);
    if (lost.length)
      say(`${lost.map((r) => ruleOf(engine, r.rule).label).join(", ")}: a learning rate that suits this landscape`);
    rebuild();
  }
  function moved([x, y]) {
    lab.start = [x, y];
    recompute(true, true);
  }
  function zoom(factor) {
    lab.zoom = factor === 0 ? null : zoomed(lab.zoom ?? whole(landscape()), factor, start());
    draw();
    saved();
  }
  function recompute(save = true, hurried = false) {
    failure = [];
    results = lab.runs.map((run, i) => {
      try {
        const spec = landscapeSpec(lab, run, start());
        const found = ruleOf(engine, run.rule).server ? ask?.(spec) : engine.path(spec);
        if (!(found instanceof Error)) return found ?? null;
        failure[i] = found.message;
      } catch (error) {
        failure[i] = error.message;
      }
      return null;
    });
    draw(hurried);
    tell();
    map.update();
    if (save) saved();
  }
  function draw(hurried = false) {
    const f = landscape();
    const {window, shape, at} = shown(engine, f, lab.zoom ?? whole(f), start());
    const t = play.state.t;
    const paths = results.flatMap((r, i) => (r ? [strand(r, i, t, i === lab.focus && results.length > 1, shape)] : []));
    const [mx, my] = drift();
    const marks =
      f.dimensions === 1
        ? []
        : [
            ...f.minima.map(([x, y, v]) => ({
              x: x + mx,
              y: y + my,
              kind: "minimum",
              title: `minimum, loss ${show(v)}`,
            })),
            ...f.saddles.map(([x, y]) => ({x: x + mx, y: y + my, kind: "saddle", title: "saddle"})),
          ];
    const focused = results[lab.focus];
    const wanted = focused && f.dimensions !== 1 ? arrows(focused, Math.min(t, lab.steps - 1), lab, window) : [];
    view.draw({
      engine,
      f: f.name,
      window,
      marks,
      paths,
      at: start()[1],
      dimensions: f.dimensions,
      scale: f.scale,
      map: lab.map,
      drift: drift(),
      view: f.dimensions === 1 ? "contour" : lab.view,
      arrows: wanted,
      handles: [{handle: red, at}],
      spots: [{x: at[0], y: at[1], loss: engine.value(f.name, ...start()), colour: "var(--start)"}],
    });
    clearTimeout(late);
    if (hurried)
      late = setTimeout(() => explain(play.state.t), 80); // words can wait for the end of a drag
    else explain(t);
    graph(t);
  }
  function graph(t) {
    const runs = results.map((result, i) => ({result, title: title(lab.runs[i], engine)}));
    if (!runs.some(({result}) => result)) return;
    const [content, words] = charted(kind, {
      runs,
      focus: lab.focus,
      t,
      steps: lab.steps,
      engine,
      f: lab.landscape,
      drift: lab.shift,
    });
    lines.show(content);
    legend.textContent = words;
  }
  function explain(t) {
    const result = results[lab.focus];
    if (!result)
      return explained.replaceChildren(make("p", {}, failure[lab.focus] ?? "The local server computes this path …"));
    explained.replaceChildren(
      ...(t < 1
        ? [make("p", {}, "Press Step: each update is shown here, with its numbers.")]
        : update(ruleOf(engine, lab.runs[lab.focus].rule), result, Math.min(t, result.broke_at ?? lab.steps), NAMES)),
    );
  }
  function judged(result) {
    const f = landscape();
    return verdict(
      result,
      whole(f),
      f.dimensions === 1 ? f.minima.map((m) => [m[0], start()[1], m[2]]) : f.minima,
      lab.shift,
    );
  }
  // Who converged, on the cards, and once in a while for screen readers.
  function tell() {
    const f = landscape();
    const texts = results.map((r, i) => {
      if (!r) return {kind: "broke", text: failure[i] ?? "…"};
      const v = judged(r);
      return {...v, text: v.kind === "broke" ? v.text : `${v.text}; loss ${show(r.losses.at(-1))}`};
    });
    runCards.tell(texts);
    entries.forEach((e, axis) => e.set(start()[axis]));
    const told = JSON.stringify([lab.landscape, lab.preset, lab.focus, lab.runs]);
    if (told !== described) captions(f); // a drag moves the start alone: the words around it stay
    described = told;
    say(lab.runs.map((run, i) => `${ruleOf(engine, run.rule).label}: ${texts[i].text}`).join(". "), true);
  }
  function captions(f) {
    about.textContent = `${f.title}: ${readable(f.formula)}. ${f.teaches}`;
    const preset = PRESETS.find((p) => p.key === lab.preset);
    chips.forEach((c) => c.setAttribute("aria-pressed", String(c.dataset.preset === lab.preset)));
    lesson.replaceChildren(...(preset ? [make("h2", {}, preset.question), make("p", {}, preset.answer)] : []));
    const options = lab.runs.map((run, i) => [i, title(run, engine)]);
    focus.replaceChildren(
      choice({
        label: "Explain",
        bare: true,
        value: lab.focus,
        options,
        onchange: (v) => {
          lab.focus = Number(v);
          recompute();
          focus.firstChild.focus();
        },
      }).node,
    );
  }
  const python = () =>
    lab.runs
      .map((run, i) => `# ${title(run, engine)}\n${pythonOf(engine, landscapeSpec(lab, run, start()))}`)
      .join("\n");
  const out = exports({
    root,
    say,
    python,
    names: NAMES,
    picture: view.picture,
    link,
    runs: () => results.flatMap((result, i) => (result ? [{result, title: title(lab.runs[i], engine)}] : [])),
  });
  const node = make(
    "div",
    {class: "lab optimizers"},
    make("nav", {class: "presets", "data-part": "presets", "aria-label": "Lessons"}, ...chips),
    lesson,
    make(
      "div",
      {class: "columns"},
      make(
        "div",
        {class: "left"},
        make("div", {"data-part": "landscape"}, bar.node),
        view.flat.node,
        view.hills.node,
        make("div", {"data-part": "player"}, play.node),
        make("div", {class: "starts", "data-part": "landscape"}, ...entries.map((e) => e.node)),
        about,
      ),
      make(
        "div",
        {class: "right"},
        make(
          "div",
          {"data-part": "runs"},
          runCards.node,
          server
            ? ""
            : make(
                "p",
                {class: "note"},
                `Rules on whole tensors (${engine.wholeTensor
                  .slice(0, 5)
                  .map((r) => r.name)
                  .join(", ")} and others) need the local server: run `,
                make("code", {}, "fallline playground"),
                ".",
              ),
        ),
        make("div", {"data-part": "more"}, set.node),
        out,
      ),
    ),
    make(
      "div",
      {class: "columns", "data-part": "charts"},
      make("section", {class: "panel", "aria-label": "Chart"}, kinds.node, lines.node, legend),
      make(
        "div",
        {class: "right"},
        make("section", {class: "panel"}, make("h2", {}, "The update, in numbers"), focus, explained),
        map.node,
      ),
    ),
  );
  return {
    node,
    presets: PRESETS,
    begin: () => {
      view.flat.fit();
      rebuild();
    },
    redraw: () => {
      view.forget();
      draw();
      map.update();
    },
    results: () =>
      results.map((result, i) => ({
        result,
        run: lab.runs[i],
        spec: landscapeSpec(lab, lab.runs[i], start()),
        colour: line(i).colour,
      })),
  };
}
