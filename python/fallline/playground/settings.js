// What else can be set? Landscape, start, steps, noise, clipping, a moving target, arrows, colours, zoom.

import {MAPS} from "./colours.js";
import {button, choice, segments, slider, tick} from "./controls.js";
import {identity, make} from "./dom.js";

/** What stands above the map. */
export function toolbar({engine, lab, changed, landscaped, zoom}) {
  const landscape = choice({
    label: "Landscape",
    value: lab.landscape,
    options: engine.landscapes.map((l) => [l.name, l.title]),
    onchange: (name) => {
      lab.landscape = name;
      landscaped();
    },
  });
  const view = segments({
    label: "View",
    value: lab.view,
    options: [
      ["contour", "Map"],
      ["hills", "3-D"],
    ],
    onchange: (v) => {
      lab.view = v;
      changed();
    },
  });
  const zooms = make(
    "div",
    {class: "segments", role: "group", "aria-label": "Zoom"},
    button("−", () => zoom(2), {"aria-label": "Zoom out"}),
    button("+", () => zoom(0.5), {"aria-label": "Zoom in"}),
    button("⌂", () => zoom(0), {"aria-label": "The whole map"}),
  );
  return {
    node: make("div", {class: "toolbar"}, landscape.node, view.node, zooms),
    set: () => {
      landscape.set(lab.landscape);
      view.set(lab.view);
    },
  };
}

/** A field for any number, labelled; for where a slider would say too little. */
export function entry({label, value, onchange}) {
  const id = identity("entry");
  const field = make("input", {
    id,
    type: "number",
    step: "any",
    value,
    oninput: () => {
      const v = field.value === "" ? NaN : Number(field.value);
      field.toggleAttribute("aria-invalid", !Number.isFinite(v));
      if (Number.isFinite(v)) onchange(v);
    },
  });
  return {
    node: make("div", {class: "entry"}, make("label", {for: id}, label), field),
    set: (v) => {
      if (document.activeElement !== field) field.value = v;
    },
  };
}

/** What stands below the map, in groups that open. */
export function settings({lab, changed, reseed}) {
  const write = (name) => (v) => {
    lab[name] = v;
    changed(name);
  };
  const steps = slider({
    label: "steps",
    value: lab.steps,
    low: 1,
    high: 1000,
    scale: "log",
    whole: true,
    allowed: (v) => v >= 1 && v <= 5000,
    onchange: write("steps"),
  });
  const arrows = [
    tick({label: "gradient", value: lab.gradient, onchange: write("gradient")}),
    tick({label: "momentum", value: lab.momentum, onchange: write("momentum")}),
    tick({label: "look-ahead", value: lab.ahead, onchange: write("ahead")}),
  ];
  arrows.forEach((a, i) => a.node.classList.add(["gradient", "momentum", "ahead"][i]));
  const noise = slider({
    label: "noise σ of the gradient",
    value: lab.noise,
    low: 0,
    high: 5,
    hint: "as mini-batches give it: normal, added to both axes",
    onchange: write("noise"),
  });
  const clip = choice({
    label: "clip the gradient",
    value: lab.clip,
    options: [
      ["none", "no"],
      ["norm", "its norm"],
      ["value", "each value"],
    ],
    onchange: write("clip"),
  });
  const limit = slider({
    label: "limit",
    value: lab.limit,
    low: 0.01,
    high: 100,
    scale: "log",
    allowed: (v) => v > 0,
    onchange: write("limit"),
  });
  const shift = [0, 1].map((axis) =>
    slider({
      label: `target moves, w${"₁₂"[axis]} per step`,
      value: lab.shift[axis],
      low: -0.05,
      high: 0.05,
      allowed: () => true,
      onchange: (v) => {
        lab.shift[axis] = v;
        changed("shift");
      },
    }),
  );
  const dtype = choice({
    label: "numbers",
    value: lab.dtype,
    options: [
      ["float64", "float64"],
      ["float32", "float32"],
    ],
    onchange: write("dtype"),
  });
  const map = choice({
    label: "colours",
    value: lab.map,
    options: Object.entries(MAPS).map(([k, m]) => [k, m.title]),
    onchange: write("map"),
  });
  const node = make(
    "div",
    {class: "settings"},
    steps.node,
    make("fieldset", {class: "arrow-ticks"}, make("legend", {}, "Arrows"), ...arrows.map((a) => a.node)),
    make(
      "details",
      {class: "more"},
      make("summary", {}, "noise, clipping, a moving target"),
      noise.node,
      button("Other noise", reseed, {class: "reseed"}),
      clip.node,
      limit.node,
      ...shift.map((s) => s.node),
      dtype.node,
      map.node,
    ),
  );
  return {
    node,
    set: () => {
      steps.set(lab.steps);
      arrows.forEach((a, i) => a.set(lab[["gradient", "momentum", "ahead"][i]]));
      noise.set(lab.noise);
      clip.set(lab.clip);
      limit.set(lab.limit);
      shift.forEach((s, i) => s.set(lab.shift[i]));
      dtype.set(lab.dtype);
      map.set(lab.map);
    },
  };
}
