// The page: two labs behind two tabs, the state in the address, light and dark, and a voice for screen readers.

import {button} from "./controls.js";
import {change, make} from "./dom.js";
import {loadEngine} from "./engine.js";
import {lineLab} from "./lab_line.js";
import {optimizersLab} from "./lab_optimizers.js";
import {sound} from "./specs.js";
import {decode, encode} from "./state.js";

const TABS = [
  ["optimizers", "Optimizers"],
  ["line", "Line fit"],
];
const THEMES = ["auto", "light", "dark"];

/**
 * Build the page inside `root`. `bytes` is the module; `server` where rules on whole tensors are computed, if anywhere;
 * `address` reads and writes the state (the page's own address, or a notebook's model).
 */
export async function mount(root, {bytes, server = null, address = location_()}) {
  const engine = await loadEngine(bytes);
  const voice = make("p", {class: "unseen", role: "status", "aria-live": "polite"});
  const toast = make("p", {class: "toast", role: "status"});
  const {state, odd} = decode(address.read());
  tidied(state, engine, odd, server);
  let timer = 0;
  let hush = 0;
  const say = (text, quietly = false) => {
    clearTimeout(quietly ? hush : timer);
    if (quietly) {
      hush = setTimeout(() => {
        voice.textContent = text;
      }, 600); // one sentence after a drag, not a hundred
      return;
    }
    toast.textContent = text;
    timer = setTimeout(() => {
      toast.textContent = "";
    }, 6000);
  };
  let written = 0;
  const saved = () => {
    clearTimeout(written);
    written = setTimeout(() => address.write(encode(state)), 150);
  };
  const dark = () =>
    state.page.theme === "dark" || (state.page.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  const link = () => address.link(encode(state));
  const shared = {engine, root, server, dark, say, saved, link};
  const made = {};
  const body = make("div", {class: "stage"});
  const tabs = TABS.map(([key, text]) =>
    button(text, () => open(key), {role: "tab", id: `tab-${key}`, "aria-controls": "stage"}),
  );
  function open(key) {
    state.lab = key;
    tabs.forEach((tab, i) =>
      change(tab, {"aria-selected": String(TABS[i][0] === key), tabindex: TABS[i][0] === key ? 0 : -1}),
    );
    change(body, {id: "stage", role: "tabpanel", "aria-labelledby": `tab-${key}`});
    made[key] ??=
      key === "line" ? lineLab({...shared, lab: state.line}) : optimizersLab({...shared, lab: state.optimizers});
    body.replaceChildren(made[key].node);
    made[key].begin();
    saved();
  }
  const theme = button(
    "",
    () => {
      state.page.theme = THEMES[(THEMES.indexOf(state.page.theme) + 1) % THEMES.length];
      themed();
      made[state.lab].redraw();
      saved();
    },
    {class: "theme"},
  );
  function themed() {
    change(root, {"data-theme": dark() ? "dark" : "light"});
    theme.textContent = {auto: "◐ auto", light: "○ light", dark: "● dark"}[state.page.theme];
    theme.setAttribute("aria-label", `Colours: ${state.page.theme}`);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    themed();
    made[state.lab].redraw();
  });
  const list = make(
    "div",
    {
      class: "tabs",
      role: "tablist",
      "aria-label": "Labs",
      onkeydown: (event) => {
        if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
        const next = TABS[(TABS.findIndex(([key]) => key === state.lab) + 1) % TABS.length][0];
        open(next);
        tabs[TABS.findIndex(([key]) => key === next)].focus();
      },
    },
    ...tabs,
  );
  change(root, {
    class: ["playground", state.page.embed ? "embed" : "", ...state.page.hide.map((part) => `hide-${part}`)].join(" "),
  });
  root.replaceChildren(
    make("header", {class: "top"}, make("h1", {}, "fallline ", make("span", {}, "playground")), list, theme),
    make("main", {}, body),
    make(
      "footer",
      {},
      "Every path here is computed by the library's own formulas, compiled to WebAssembly: ",
      make("code", {}, "pip install fallline"),
      " gives the same bits.",
    ),
    toast,
    voice,
  );
  themed();
  open(state.lab);
  if (odd.length) say(`The link has what this page does not know, left out: ${odd.slice(0, 5).join(", ")}`);
  root.fallline = {engine, state, labs: made, open, encode: () => encode(state)};
  return root.fallline;
}

// Names of the link that the module does not have are left out, and said.
function tidied(state, engine, odd, server) {
  for (const lab of [state.optimizers, state.line]) {
    const runs = lab.runs.map((run) => sound(run, engine, odd)).filter(Boolean);
    const able = runs.filter((run) => server || engine.rules.some((r) => r.key === run.rule));
    if (able.length < runs.length) odd.push("rules on whole tensors, which need `fallline playground`");
    lab.runs = able.length ? able : [{rule: "sgd", hypers: {lr: 0.05}, schedules: {}, wrap: "none"}];
  }
  const lab = state.optimizers;
  if (!engine.landscapes.some((l) => l.name === lab.landscape)) {
    odd.push(lab.landscape);
    Object.assign(lab, {landscape: engine.landscapes[0].name, start: null, zoom: null});
  }
  if (lab.focus < 0 || lab.focus >= lab.runs.length) lab.focus = 0;
}

// The address of the page; inside a notebook's frame there is none to write to.
function location_() {
  return {
    read: () => location.hash.slice(1) || document.documentElement.dataset.state || "",
    write: (text) => {
      try {
        history.replaceState(null, "", "#" + text);
      } catch {
        // a frame made of text has no address
      }
    },
    link: (text) => location.href.split("#")[0] + "#" + text,
  };
}

/** Bytes from base64. */
export const decoded = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
