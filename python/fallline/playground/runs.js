// Which optimizers run, and with which numbers? One card for each: rule, learning rate, its decay, and the rest on demand.

import {line} from "./colours.js";
import {button, choice, slider, tick} from "./controls.js";
import {change, draw, make, show} from "./dom.js";
import {rateOf, ruleOf} from "./specs.js";

const WORDS = {
  lr: "learning rate α",
  weight_decay: "weight decay",
  l2: "l2 penalty",
  bias_correction: "bias correction",
};
const MOST = 24;

/**
 * The cards. `changed()` after every new number, `rebuilt()` after another rule or number of rules.
 * `lab.runs` is the state itself: cards write into it.
 */
export function cards({engine, lab, server, single = false, changed, rebuilt, find}) {
  const list = make("div", {class: "cards"});
  const add = make("div", {class: "add"});
  let outcomes = [];
  const build = () => {
    const made = lab.runs.map((run, i) => card(i, run));
    outcomes = made.map((m) => m.outcome);
    list.replaceChildren(...made.map((m) => m.node));
    if (!single) add.replaceChildren(adder());
  };
  const renew = () => {
    build();
    rebuilt();
  };
  const adder = () => {
    const options = [["", "Add an optimizer …"], ...ruleOptions(engine, server)];
    const picker = choice({
      label: "Add an optimizer",
      value: "",
      bare: true,
      options,
      onchange: (key) => {
        if (!key || lab.runs.length >= MOST) return;
        const rule = ruleOf(engine, key);
        const rates = lab.runs.filter((r) => r.rule === key).map((r) => r.hypers.lr);
        const start = rule.hypers.find((h) => h.name === "lr")?.value ?? 0.01;
        lab.runs.push({
          rule: key,
          hypers: {lr: rates.length ? rates.at(-1) / 2 : Math.max(start, 0.05)},
          schedules: {},
          wrap: "none",
        });
        renew();
        list.lastChild.querySelector("select").focus();
      },
    });
    return picker.node;
  };
  function card(i, run) {
    const rule = ruleOf(engine, run.rule);
    const {colour, dash} = line(i);
    const swatch = draw(
      "svg",
      {class: "swatch", viewBox: "0 0 30 10", "aria-hidden": "true"},
      draw("path", {d: "M1,5H29", stroke: colour, "stroke-width": 3.5, "stroke-dasharray": dash || undefined}),
    );
    const picker = choice({
      label: `Optimizer ${i + 1}`,
      value: run.rule,
      bare: true,
      options: ruleOptions(engine, server),
      onchange: (key) => {
        const lr = rateOf(run, rule);
        Object.assign(run, {rule: key, hypers: {lr}, schedules: {}, wrap: "none"});
        renew();
        list.children[i].querySelector("select").focus();
      },
    });
    const outcome = make("output", {class: "outcome"});
    const remove =
      lab.runs.length > 1 &&
      !single &&
      button(
        "×",
        () => {
          lab.runs.splice(i, 1);
          if (lab.focus >= lab.runs.length) lab.focus = 0;
          renew();
        },
        {class: "remove", "aria-label": `Remove ${rule.label}`, title: "Remove"},
      );
    const head = make("div", {class: "head"}, swatch, picker.node, outcome, remove);
    return {
      outcome,
      node: make(
        "section",
        {class: "card", "aria-label": `${rule.label}, optimizer ${i + 1}`},
        head,
        ...numbers(run, rule),
      ),
    };
  }
  function numbers(run, rule) {
    const own = rule.hypers.filter((h) => h.name !== "lr");
    const lr = rule.hypers.find((h) => h.name === "lr");
    const parameters = make("div", {class: "parameters"});
    const rate =
      lr &&
      slider({
        label: WORDS.lr,
        value: rateOf(run, rule),
        low: 1e-4,
        high: 10,
        scale: "log",
        allowed: (v) => v >= 0,
        onchange: (v) => {
          run.hypers.lr = v;
          if (run.schedules.lr) fill(run.schedules.lr.arguments, "initial", v);
          timing();
          changed();
        },
      });
    const timing = () =>
      parameters.replaceChildren(...(run.schedules.lr ? schedule(run.schedules.lr, engine, changed) : []));
    timing();
    const decay =
      lr &&
      !rule.server &&
      choice({
        label: "decay",
        value: run.schedules.lr?.name ?? "constant",
        options: scheduleOptions(engine),
        onchange: (name) => {
          if (name === "constant") delete run.schedules.lr;
          else run.schedules.lr = {name, arguments: begin(engine, name, rateOf(run, rule), lab.steps)};
          timing();
          changed();
        },
      });
    const seek =
      lr &&
      !rule.server &&
      button(
        "find a rate",
        () => {
          run.hypers.lr = find(run);
          delete run.schedules.lr;
          renew();
        },
        {class: "seek", title: "Try 51 rates and take the one that ends lowest"},
      );
    const first = own.filter((h) => !h.common && h.kind === "share").slice(0, 1);
    const rest = own.filter((h) => !first.includes(h));
    const more = make(
      "details",
      {class: "more"},
      make("summary", {}, "more numbers"),
      ...rest.map((h) => hyper(run, h, changed)),
      around(run, rule, changed),
    );
    return [
      rate?.node,
      ...first.map((h) => hyper(run, h, changed)),
      make("div", {class: "pair"}, decay?.node, seek),
      parameters,
      rest.length > 0 && more,
    ];
  }
  build();
  return {
    node: make("div", {}, list, add),
    build,
    tell: (texts) =>
      texts.forEach(({kind, text}, i) => {
        if (outcomes[i] && outcomes[i].textContent !== text)
          change(outcomes[i], {class: `outcome ${kind}`}).replaceChildren(text);
      }),
  };
}

function ruleOptions(engine, server) {
  const far = engine.wholeTensor.map((r) => [r.name, r.label ?? r.name]);
  const groups = [{group: "computed in this page", options: engine.rules.map((r) => [r.key, r.label])}];
  if (server) groups.push({group: "whole tensors, computed by the local server", options: far});
  return groups;
}

const scheduleOptions = (engine) => [
  ["constant", "none"],
  ...usable(engine).map((s) => [s.name, s.label.replaceAll("_", " ")]),
];
const usable = (engine) => engine.schedules.filter((s) => s.name !== "constant" && !s.marks && !s.parts); // those that are numbers alone

const fill = (given, name, value) => {
  for (const key of [name, "peak", "value", "high"]) if (key in given) return void (given[key] = value);
};

function begin(engine, name, rate, steps) {
  const known = engine.schedules.find((s) => s.name === name);
  const given = Object.fromEntries(known.parameters.map((p) => [p.name, p.value]));
  fill(given, "initial", rate);
  const lengths = {steps: 1, every: 0.25, period: 0.25, half_period: 0.125, warmup: 0.1, stable: 0.5, decay: 0.4};
  for (const [key, share] of Object.entries(lengths))
    if (key in given) given[key] = Math.max(1, Math.round(steps * share));
  if ("low" in given) given.low = rate / 10;
  if ("final" in given && given.final > rate) given.final = rate / 10;
  return given;
}

function schedule(timed, engine, changed) {
  const known = engine.schedules.find((s) => s.name === timed.name);
  return known.parameters
    .filter((p) => !["initial", "peak", "high"].includes(p.name))
    .map((p) => {
      const write = (v) => {
        timed.arguments[p.name] = v;
        changed();
      };
      if (p.choices)
        return choice({
          label: p.name.replaceAll("_", " "),
          value: timed.arguments[p.name],
          options: p.choices.map((c) => [c, c]),
          onchange: write,
        }).node;
      const whole = ["length", "duration"].includes(p.range);
      const high = whole ? 500 : Math.max(1, 4 * p.value);
      return slider({
        label: p.name.replaceAll("_", " "),
        value: timed.arguments[p.name],
        low: whole ? 1 : 0,
        high,
        whole,
        onchange: write,
      }).node;
    });
}

function hyper(run, h, changed) {
  const label =
    WORDS[h.name] ?? (h.letter && h.letter !== h.name ? `${h.name} ${h.letter}` : h.name.replaceAll("_", " "));
  const value = run.hypers[h.name] ?? h.value;
  const write = (v) => {
    if (v === h.value) delete run.hypers[h.name];
    else run.hypers[h.name] = v;
    changed();
  };
  if (h.range === "flag") return tick({label, value, onchange: (on) => write(Number(on))}).node;
  if (h.kind === "share")
    return slider({
      label,
      value,
      low: 0,
      high: 0.9999,
      scale: "share",
      allowed: (v) => v >= 0 && v < (h.range === "nonnegative" ? Infinity : h.range === "closed_unit" ? 1.0000001 : 1),
      onchange: write,
    }).node;
  if (h.kind === "epsilon" || (h.kind === "rate" && h.value > 0))
    return slider({
      label,
      value,
      low: h.low || 1e-12,
      high: h.high || 1,
      scale: "log",
      allowed: (v) => v >= 0,
      onchange: write,
    }).node;
  const high = h.common ? 1 : Math.max(h.high ?? 1, 2 * Math.abs(h.value), 0.1);
  return slider({
    label,
    value,
    low: h.range === "any" ? Math.min(0, h.low ?? 0) : 0,
    high,
    allowed: (v) => h.range === "any" || v >= 0,
    onchange: write,
  }).node;
}

function around(run, rule, changed) {
  if (rule.server) return undefined;
  const options = [
    ["none", "nothing"],
    ["lookahead", "Lookahead (5 steps, 0.5)"],
    ["sam", "SAM (ρ 0.05)"],
  ];
  return choice({
    label: "around it",
    value: run.wrap,
    options,
    onchange: (v) => {
      run.wrap = v;
      changed();
    },
  }).node;
}

/** The name of a run for lists: rule and what distinguishes it. */
export function title(run, engine) {
  const rule = ruleOf(engine, run.rule);
  const numbers = Object.entries(run.hypers)
    .filter(([name]) => name !== "lr")
    .map(([name, v]) => `${rule.hypers.find((h) => h.name === name)?.letter || name} ${show(v)}`);
  const timed = run.schedules.lr ? ` ${run.schedules.lr.name.replaceAll("_", " ")}` : "";
  return `${rule.label}, α ${show(rateOf(run, rule))}${timed}${numbers.length ? ", " + numbers.slice(0, 2).join(", ") : ""}`;
}
