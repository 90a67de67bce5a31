// What is drawn of the landscape? The ground, the paths so far, arrows at the step that is shown; from above or as hills.

import {line, shading} from "./colours.js";
import {svgText} from "./exporting.js";
import {plane} from "./plane.js";
import {surface, surfaceSvg} from "./surface.js";

const GRID = 161;
const COARSE = 81; // of ground that moves

/** Both views of a landscape; `shown()` says what to draw: see `draw`. */
export function scene({label, names, redraw, dark}) {
  const flat = plane({label, names, resized: () => redraw()});
  const hills = surface({
    label: `${label}, as hills and valleys: drag or use the arrow keys to turn it`,
    resized: () => redraw(true),
  });
  const memory = {key: "", grid: null, shade: null, n: 0};
  let last = null;
  function relief({engine, f, window: [[x0, x1], [y0, y1]], scale, map, drift = [0, 0], key = f}) {
    const n = drift[0] || drift[1] ? COARSE : GRID;
    const wanted = JSON.stringify([key, x0, x1, y0, y1, scale, map, dark(), drift, flat.frame.size]);
    const fresh = memory.key !== wanted;
    if (fresh) {
      const grid = engine.grid(f, [x0 - drift[0], x1 - drift[0], y0 - drift[1], y1 - drift[1]], n, n);
      Object.assign(memory, {key: wanted, grid, n, shade: shading(grid, scale), relief: shading(grid, scale, 0.25)});
    }
    return fresh;
  }
  function draw(content) {
    last = content;
    const {window, marks, paths, view, spots} = content;
    flat.frame.window = window;
    flat.node.toggleAttribute("hidden", view !== "contour");
    hills.node.toggleAttribute("hidden", view === "contour");
    const fresh = content.dimensions === 1 ? curve(content) : relief(content);
    const look = {map: content.map, dark: dark()};
    if (view === "contour") {
      if (fresh || memory.drawn !== memory.key) {
        if (content.dimensions !== 1) flat.ground({...memory, ...look});
        flat.axes(content.dimensions === 1 ? [names[0], "loss"] : names);
        memory.drawn = memory.key;
      }
      flat.marks(marks);
      flat.paths(paths);
      flat.arrows(content.arrows);
      for (const {handle, at} of content.handles) handle.place(...at);
    } else {
      hills.show({...memory, ...look, window, paths, spots});
    }
  }
  function curve({engine, f, window: [[x0, x1], heights], at}) {
    const key = JSON.stringify([f, x0, x1, heights, flat.frame.size]);
    if (memory.key === key) return false;
    const count = 400;
    const values = Float64Array.from({length: 2 * count}, (_, k) => {
      const x = x0 + (Math.floor(k / 2) / (count - 1)) * (x1 - x0);
      return k % 2 ? engine.value(f, x, at) : x;
    });
    flat.curve(values);
    memory.key = key;
    return true;
  }
  const picture = () =>
    last.view === "contour"
      ? svgText(flat.node)
      : surfaceSvg(
          hills.node,
          hills.view,
          {...memory, map: last.map, dark: dark(), window: last.window, paths: last.paths, spots: last.spots},
          720,
        );
  return {
    flat,
    hills,
    draw,
    picture,
    forget: () => {
      memory.key = "";
    },
  };
}

/** What `draw` needs of a run. `shape` maps its points to where they are shown. */
export const strand = (result, i, upTo, strong, shape = (r) => r.points) => ({
  points: shape(result),
  losses: result.losses,
  upTo: Math.min(upTo, result.losses.length - 1),
  strong,
  ...line(i),
});

/** Arrows of one update from step t: the gradient, the momentum that is carried on, the look-ahead. */
export function arrows(result, t, {gradient, momentum, ahead}, window) {
  const point = (list, k) => [list[2 * k], list[2 * k + 1]];
  const here = point(result.points, t);
  const g = point(result.gradients, t);
  const velocity = result.slots.v && result.hypers.momentum;
  const mean = result.slots.m ? point(result.slots.m, t) : velocity ? point(result.slots.v, t) : null;
  const found = [];
  // where the step is -α (g + β v), arrows have its length; elsewhere only their directions and proportion are meant
  const rate = velocity ? result.hypers.lr[t] : fitted([g, mean], window);
  const carried = mean && (velocity ? mean.map((v) => v * result.hypers.momentum[t]) : mean);
  const from =
    velocity && (result.ahead[2 * t] !== here[0] || result.ahead[2 * t + 1] !== here[1])
      ? point(result.ahead, t)
      : here;
  const along = (start, vector) => [start[0] - rate * vector[0], start[1] - rate * vector[1]];
  if (momentum && carried)
    found.push({
      from: here,
      to: along(here, carried),
      kind: "momentum",
      title: "momentum: what is carried on from the steps before",
    });
  if (ahead && from !== here)
    found.push({
      from: here,
      to: from,
      kind: "ahead",
      title: "look-ahead: the big jump first; the gradient is taken there",
    });
  if (gradient)
    found.push({
      from: ahead ? from : here,
      to: along(ahead ? from : here, g),
      kind: "gradient",
      title: "minus the gradient",
    });
  return found;
}

function fitted(vectors, [[x0, x1], [y0, y1]]) {
  const longest = Math.max(...vectors.filter(Boolean).map(([a, b]) => Math.hypot(a / (x1 - x0), b / (y1 - y0))));
  return longest > 0 ? 0.16 / longest : 0;
}
