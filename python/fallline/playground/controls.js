// Which controls are there? A slider with a number beside it, a choice, a check mark, a button: all of them native elements.

import {change, identity, make, show} from "./dom.js";

const NOTCHES = 1000;

// How a slider's place, 0 to 1, becomes a value and back.
const SCALES = {
  linear: {value: (p, low, high) => low + p * (high - low), place: (v, low, high) => (v - low) / (high - low)},
  log: {
    value: (p, low, high) => low * (high / low) ** p,
    place: (v, low, high) => Math.log(v / low) / Math.log(high / low),
  },
  // for betas: what matters is the distance from 1
  share: {value: (p) => 1 - 10 ** (-4 * p), place: (v) => (v < 1 ? -Math.log10(1 - v) / 4 : 1)},
};

/**
 * A labelled slider and a field for any number. `set(value)` moves both without calling `change`.
 * The slider is the browser's own: arrows, Page, Home, End, touch and clicks are its; its text says the value.
 */
export function slider({label, value, low, high, scale = "linear", whole = false, unit = "", allowed, hint, onchange}) {
  const id = identity("field");
  const {value: at, place} = SCALES[scale];
  const round = (v) => (whole ? Math.round(v) : Number(v.toPrecision(3)));
  const range = make("input", {
    type: "range",
    min: 0,
    max: whole && scale === "linear" ? high - low : NOTCHES,
    step: 1,
  });
  const notch = (v) => Math.round(Math.min(1, Math.max(0, place(v, low, high) || 0)) * Number(range.max));
  const field = make("input", {type: "number", id, step: "any", inputmode: "decimal"});
  const told = (v) => change(range, {"aria-valuetext": `${label} ${show(v, 4)}${unit && " " + unit}`});
  const set = (v) => {
    range.value = notch(v);
    if (!field.matches(":focus")) field.value = v; // what is being typed stays
    told(v);
  };
  const good = (v) => Number.isFinite(v) && (!whole || Number.isInteger(v)) && (allowed ? allowed(v) : v >= low);
  range.addEventListener("input", () => {
    const v = round(at(range.value / range.max, low, high));
    field.value = v;
    field.removeAttribute("aria-invalid");
    told(v);
    onchange(v);
  });
  field.addEventListener("input", () => {
    const v = field.value === "" ? NaN : Number(field.value);
    change(field, {"aria-invalid": good(v) ? undefined : "true"});
    if (!good(v)) return;
    range.value = notch(v);
    told(v);
    onchange(v);
  });
  change(range, {"aria-label": `${label}, slider`});
  set(value);
  const node = make("div", {class: "field", title: hint}, make("label", {for: id}, label), field, range);
  return {node, set, range, field};
}

/** A choice of one: `options` are [value, text] or {group, options}. */
export function choice({label, value, options, onchange, hint, bare = false}) {
  const id = identity("choice");
  const one = ([key, text]) => make("option", {value: key}, text);
  const list = options.map((entry) =>
    Array.isArray(entry) ? one(entry) : make("optgroup", {label: entry.group}, ...entry.options.map(one)),
  );
  const select = make(
    "select",
    {id, onchange: () => onchange(select.value), "aria-label": bare ? label : undefined},
    ...list,
  );
  const set = (v) => {
    select.value = v;
  };
  set(value);
  const node = bare ? select : make("div", {class: "field", title: hint}, make("label", {for: id}, label), select);
  return {node, set, select};
}

export function tick({label, value, onchange, hint}) {
  const box = make("input", {type: "checkbox", onchange: () => onchange(box.checked)});
  const set = (v) => {
    box.checked = Boolean(v);
  };
  set(value);
  return {node: make("label", {class: "tick", title: hint}, box, make("span", {}, label)), set, box};
}

export function button(label, onclick, attributes = {}) {
  return make("button", {type: "button", onclick, ...attributes}, label);
}

/** Buttons of which one is pressed: [value, text]. */
export function segments({label, value, options, onchange}) {
  const buttons = options.map(([key, text]) => button(text, () => choose(key, true)));
  const choose = (key, tell) => {
    buttons.forEach((b, i) => change(b, {"aria-pressed": String(String(options[i][0]) === String(key))}));
    if (tell) onchange(key);
  };
  choose(value, false);
  return {
    node: make("div", {class: "segments", role: "group", "aria-label": label}, ...buttons),
    set: (v) => choose(v, false),
  };
}
