// Where did a path end? In a minimum and since when, still on its way, off the map, or out of the numbers.

import {inside} from "./plane.js";

const CLOSE = 0.012; // of the map's diagonal: within this of a minimum a path has arrived

/** What happened, as {kind, step, minimum, text}. `minima` are [x, y, value]; `drift` moves them from step to step. */
export function verdict(result, window, minima, drift = [0, 0]) {
  const {points, losses} = result;
  const last = losses.length - 1;
  if (result.broke_at !== null && result.broke_at !== undefined) {
    const out = leaves(points, window, result.broke_at - 1);
    const gone = out === null ? "" : `left the map at step ${out}, `;
    return {
      kind: "broke",
      step: result.broke_at,
      text: `${gone}overflow at step ${result.broke_at}: no number any more`,
    };
  }
  const out = leaves(points, window, last);
  if (out !== null) return {kind: "left", step: out, text: `it left the map at step ${out}`};
  const [[x0, x1], [y0, y1]] = window;
  const radius = CLOSE * Math.hypot(x1 - x0, y1 - y0);
  const lowest = Math.min(...minima.map((m) => m[2]));
  for (const minimum of minima) {
    const near = (t) =>
      Math.hypot(points[2 * t] - minimum[0] - t * drift[0], points[2 * t + 1] - minimum[1] - t * drift[1]) < radius;
    if (!near(last)) continue;
    let step = last;
    while (step > 0 && near(step - 1)) step--;
    const global = minimum[2] <= lowest + 1e-6 * (1 + Math.abs(lowest));
    const place = global ? "the minimum" : "a local minimum (not the lowest)";
    return {
      kind: global ? "found" : "local",
      step,
      minimum,
      text: drift[0] || drift[1] ? `it follows ${place}` : `in ${place} from step ${step} on`,
    };
  }
  const still =
    Math.hypot(points[2 * last] - points[2 * last - 2], points[2 * last + 1] - points[2 * last - 1]) < radius / 2000;
  return {kind: "way", step: last, text: still ? "stuck" : `on its way after ${last} steps`};
}

/** The step from which on the path stays outside the window, or null. */
function leaves(points, window, last) {
  let step = null;
  for (let t = last; t > 0 && !inside(window, points[2 * t], points[2 * t + 1]); t--) step = t;
  return step;
}
