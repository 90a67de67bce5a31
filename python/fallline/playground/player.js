// How does time pass? Run, pause, one step, back to the start, a speed, and a slider over all steps.

import {button, slider} from "./controls.js";
import {change, make} from "./dom.js";

const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** `at(t)` is called for every step that is shown; `t` starts at the end, so that whole paths are seen. */
export function player({steps, speed, t = steps, at, fast = () => {}}) {
  const state = {t, steps, playing: false, speed};
  let begun = 0;
  let from = 0;
  const run = button("Run", () => (state.playing ? pause() : start()), {class: "primary run"});
  const one = button(
    "Step",
    () => {
      pause();
      to(state.t >= state.steps ? 0 : state.t + 1);
    },
    {class: "step", title: "One update"},
  );
  const back = button(
    "Reset",
    () => {
      pause();
      to(0);
    },
    {class: "reset", title: "Back to the start point"},
  );
  const scrub = make("input", {
    type: "range",
    min: 0,
    max: steps,
    step: 1,
    "aria-label": "step shown",
    oninput: () => {
      const t = Number(scrub.value);
      pause();
      to(t);
    },
  });
  const told = make("output", {class: "told"});
  const pace = slider({
    label: "speed",
    value: speed,
    low: 1,
    high: 500,
    scale: "log",
    whole: true,
    unit: "steps per second",
    onchange: (v) => {
      restart(() => {
        state.speed = v;
      });
      fast(v);
    },
  });
  function show() {
    change(scrub, {max: state.steps, "aria-valuetext": `step ${state.t} of ${state.steps}`});
    scrub.value = state.t;
    told.textContent = `${state.t} / ${state.steps}`;
    run.textContent = state.playing ? "Pause" : "Run";
  }
  function to(t) {
    state.t = Math.max(0, Math.min(state.steps, t));
    show();
    at(state.t);
  }
  function restart(changing) {
    changing();
    begun = performance.now();
    from = state.t;
  }
  function start() {
    if (state.t >= state.steps) to(0);
    if (calm()) return to(state.steps);
    restart(() => {
      state.playing = true;
    });
    show();
    requestAnimationFrame(tick);
  }
  function tick(now) {
    if (!state.playing) return;
    const t = Math.min(state.steps, from + Math.floor(((now - begun) / 1000) * state.speed));
    if (t >= state.steps) state.playing = false;
    if (t !== state.t || !state.playing) to(t);
    if (state.playing) requestAnimationFrame(tick);
  }
  function pause() {
    state.playing = false;
    show();
  }
  show();
  const node = make("div", {class: "player"}, make("div", {class: "buttons"}, run, one, back, told), scrub, pace.node);
  return {
    node,
    state,
    start,
    pause,
    to,
    pace: (v) => {
      pace.set(v);
      state.speed = v;
    },
    length: (n, end = true) => {
      state.steps = n;
      if (end || state.t > n) state.t = n;
      show();
    },
  };
}
