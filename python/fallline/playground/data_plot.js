// How are points and lines drawn over the data? The sample, the line it came from, the line now, and the errors of a batch.

import {change, draw} from "./dom.js";
import {plane} from "./plane.js";

/** A plane with the data: `show({line, now, truth, rows, errors})`; `now` and `truth` are [slope, intercept]. */
export function dataPlot({redraw}) {
  const view = plane({
    label: "The data, the line it was drawn from and the line now",
    names: ["x", "y"],
    resized: redraw,
  });
  const points = draw("path", {class: "points"});
  const batch = draw("path", {class: "points batch"});
  const residuals = draw("path", {class: "residuals"});
  const before = draw("path", {class: "truth-line"}, draw("title", {}, "ground truth"));
  const now = draw("path", {class: "now-line"}, draw("title", {}, "the line now"));
  view.marks([]);
  view.extra([residuals, before, points, batch, now]);
  let drawn = null;
  const spots = (line, rows) => {
    let d = "";
    for (const i of rows) {
      const [px, py] = view.frame.toPixel(line.x[i], line.y[i]);
      d += `M${px.toFixed(1)},${py.toFixed(1)}h0`;
    }
    return d;
  };
  const straight = ([slope, intercept]) => {
    const [[x0, x1]] = view.frame.window;
    const ends = [x0, x1].map((x) =>
      view.frame
        .toPixel(x, Math.max(-1e6, Math.min(1e6, slope * x + intercept)))
        .map((v) => (Number.isFinite(v) ? v.toFixed(1) : 0))
        .join(","),
    );
    return `M${ends.join("L")}`;
  };
  const errors = (line, rows, [slope, intercept]) => {
    let d = "";
    for (const i of rows) {
      const [px, py] = view.frame.toPixel(line.x[i], line.y[i]);
      const [, qy] = view.frame.toPixel(line.x[i], slope * line.x[i] + intercept);
      if (Number.isFinite(qy))
        d += `M${px.toFixed(1)},${py.toFixed(1)}V${Math.max(-9e3, Math.min(9e3, qy)).toFixed(1)}`;
    }
    return d;
  };
  return {
    node: view.node,
    fit: view.fit,
    show: ({line, line_now, truth, rows, phase}) => {
      if (drawn !== line || view.frame.drawn !== view.frame.size.join()) {
        view.frame.window = extent(line);
        view.frame.drawn = view.frame.size.join();
        view.axes();
        change(points, {d: spots(line, line.x.keys())});
        drawn = line;
      }
      change(before, {d: truth ? straight(truth) : ""});
      change(now, {d: straight(line_now)});
      change(batch, {d: rows ? spots(line, rows) : ""});
      change(residuals, {d: rows && phase >= 1 ? errors(line, rows, line_now) : ""});
    },
  };
}

function extent({x, y}) {
  const range = (values) => {
    let [low, high] = [Infinity, -Infinity];
    for (const v of values) [low, high] = [Math.min(low, v), Math.max(high, v)];
    const pad = 0.06 * (high - low) || 1;
    return [low - pad, high + pad];
  };
  return [range(x), range(y)];
}
