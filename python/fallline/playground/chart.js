// How does a number change from step to step? A small line chart, with a cursor at the step that is shown.

import {change, draw, identity, show} from "./dom.js";
import {ticks} from "./plane.js";

const MARGIN = {left: 56, right: 18, top: 24, bottom: 34};

/** A chart in its own SVG; `seek(t)` is called when someone clicks or drags over it. */
export function chart({label, across = "step", seek, resized = () => {}, height = 200}) {
  const node = draw("svg", {class: "chart", role: "img", "aria-label": label, height});
  const state = {width: 480, height, last: 1, clip: identity("clip")};
  new ResizeObserver(() => {
    if (!node.clientWidth || node.clientWidth === state.width) return;
    state.width = node.clientWidth;
    resized();
  }).observe(node);
  const go = (event) => {
    const box = node.getBoundingClientRect();
    const share = (event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right);
    seek?.(Math.round(Math.max(0, Math.min(1, share)) * state.last));
  };
  if (seek) {
    node.classList.add("seeks");
    node.addEventListener("pointerdown", (event) => {
      node.setPointerCapture(event.pointerId);
      go(event);
    });
    node.addEventListener("pointermove", (event) => event.buttons && go(event));
  }
  return {node, show: (content) => paint(node, state, {across, ...content})};
}

// content: {series: [{values, colour, dash, title}], log, cursor, levels: [{value, title}], last, step0}
function paint(node, state, {series, log, cursor, levels = [], last, across, xs, name = ""}) {
  const {width, height} = state;
  state.last = last;
  const range = span([...series.map((s) => s.values), levels.map((l) => l.value)], log);
  const [x0, x1] = xs ?? [0, Math.max(1, last)];
  const x = (v) => MARGIN.left + ((v - x0) / (x1 - x0)) * (width - MARGIN.left - MARGIN.right);
  const scale = log ? Math.log10 : (v) => v;
  const [low, high] = range.map(scale);
  const y = (v) => MARGIN.top + ((high - scale(v)) / (high - low || 1)) * (height - MARGIN.top - MARGIN.bottom);
  change(node, {viewBox: `0 0 ${width} ${height}`});
  const text = (px, py, anchor, words, kind = "tick") =>
    draw("text", {x: px, y: py, class: kind, "text-anchor": anchor}, words);
  const marks = log ? decades(low, high) : ticks(low, high, 4);
  const inside = {
    x: MARGIN.left,
    y: MARGIN.top,
    width: width - MARGIN.left - MARGIN.right,
    height: height - MARGIN.top - MARGIN.bottom,
  };
  node.replaceChildren(
    draw("clipPath", {id: state.clip}, draw("rect", inside)),
    ...marks.map((v) => draw("line", {class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(v), y2: y(v)})),
    ...marks.map((v) => text(MARGIN.left - 6, y(v) + 4, "end", show(v, 3))),
    ...ticks(x0, x1, Math.max(3, width / 110)).map((v) =>
      text(x(v), height - MARGIN.bottom + 16, "middle", show(v, 4)),
    ),
    text(width - MARGIN.right, height - 2, "end", across, "name"),
    ...levels.flatMap((l) => [
      draw("line", {class: "level", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(l.value), y2: y(l.value)}),
      text(width - MARGIN.right, y(l.value) - 4, "end", l.title),
    ]),
    draw(
      "g",
      {"clip-path": `url(#${state.clip})`},
      series.flatMap((s) => strokes(s, x, y, log, xs ? (x1 - x0) / Math.max(1, s.values.length - 1) : 1, x0)),
    ),
    cursor === undefined
      ? ""
      : draw("line", {class: "cursor", x1: x(cursor), x2: x(cursor), y1: MARGIN.top, y2: height - MARGIN.bottom}),
    name ? text(MARGIN.left, 13, "start", name, "name") : "",
  );
}

function strokes({values, colour, dash, title, dots}, x, y, log, stride, x0) {
  let d = "";
  let pen = "M";
  for (let t = 0; t < values.length; t++) {
    if (!Number.isFinite(values[t]) || (log && values[t] <= 0)) {
      pen = "M";
      continue;
    }
    d +=
      pen +
      Math.round(10 * x(x0 + t * stride)) / 10 +
      "," +
      Math.round(10 * Math.max(-4000, Math.min(4000, y(values[t])))) / 10;
    pen = "L";
  }
  const line = draw(
    "path",
    {class: "series", d, stroke: colour, "stroke-dasharray": dash || undefined},
    draw("title", {}, title),
  );
  return [
    line,
    ...(dots ?? []).map(([v, h]) => draw("circle", {class: "ball", cx: x(v), cy: y(h), r: 5, fill: colour})),
  ];
}

function decades(low, high) {
  const every = Math.max(1, Math.ceil((high - low) / 4));
  const found = [];
  for (let k = Math.ceil(low); k <= high; k += every) found.push(10 ** k);
  return found.length ? found : [10 ** low, 10 ** high];
}

/** What the vertical axis spans: all finite values, but no more than 16 decades, and not what flew away. */
function span(lists, log) {
  let [low, high] = [Infinity, -Infinity];
  for (const values of lists) {
    const limit = log ? (Math.abs(values[0]) || 1) * 1e4 : Math.abs(values[0]) * 50 + 1e3;
    for (const v of values) {
      if (!Number.isFinite(v) || (log && v <= 0) || Math.abs(v) > limit) continue;
      low = Math.min(low, v);
      high = Math.max(high, v);
    }
  }
  if (low > high) return log ? [0.1, 1] : [0, 1];
  if (log) return [Math.max(low, high * 1e-16), high * 1.2];
  return low === high ? [low - 0.5, high + 0.5] : [low - 0.04 * (high - low), high + 0.04 * (high - low)];
}
