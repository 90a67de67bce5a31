// How is a landscape seen from above? Heights as colours, lines of equal height, paths, arrows and handles, in one SVG.

import {table} from "./colours.js";
import {contour} from "./contours.js";
import {change, draw, identity, make, show} from "./dom.js";
import {handle} from "./pad.js";

const FAR = 20000; // pixels: what lies farther out is drawn there
const LEVELS = 14;

/** A view of a window of the plane. `resized` is called whenever the size in pixels changes: redraw then. */
export function plane({label, names, resized = () => {}, square = true}) {
  const clip = identity("clip");
  const layer = (name, more = {}) => draw("g", {class: name, ...more});
  const inner = {"clip-path": `url(#${clip})`};
  const area = draw("rect", {});
  const layers = {
    ground: layer("ground", inner),
    axes: layer("axes", {"aria-hidden": "true"}),
    marks: layer("marks", inner),
    paths: layer("paths", inner),
    arrows: layer("arrows", inner),
    handles: layer("handles"),
  };
  const node = draw(
    "svg",
    {class: "plane", role: "group", "aria-label": label},
    draw("clipPath", {id: clip}, area),
    ...Object.values(layers),
  );
  const frame = geometry();
  const handles = [];
  node.addEventListener("pointerdown", (event) => {
    const held = handles.find((h) => h.node.contains(event.target));
    // a finger beside the handles may be scrolling the page: only its tap counts
    if (event.button === 0 && (held || event.pointerType !== "touch")) (held ?? handles[0])?.drag(event);
  });
  node.addEventListener("click", (event) => {
    if (event.pointerType === "touch" && !handles.some((h) => h.node.contains(event.target))) handles[0]?.jump(event);
  });
  const fit = () => {
    const width = node.clientWidth || 480;
    frame.size = [width, square ? width : Math.round(Math.min(width * 0.62, 420))];
    change(node, {viewBox: `0 0 ${frame.size.join(" ")}`, height: frame.size[1]});
    const {left, top, width: w, height: h} = frame.box();
    change(area, {x: left, y: top, width: w, height: h});
    resized();
  };
  const watch = new ResizeObserver(() => {
    if (node.clientWidth && node.clientWidth !== frame.size[0]) fit();
  });
  watch.observe(node);
  return {
    node,
    frame,
    fit,
    add: (options) => {
      const added = handle({surface: node, frame, names, ...options});
      handles.push(added);
      layers.handles.append(added.node);
      return added;
    },
    ground: (relief) => layers.ground.replaceChildren(...(relief ? ground(frame, relief) : [])),
    curve: (heights) => layers.ground.replaceChildren(draw("path", {class: "curve", d: trace(frame, heights)})),
    axes: (other = names) => layers.axes.replaceChildren(...axes(frame, other)),
    marks: (list) => layers.marks.replaceChildren(...list.map((mark) => sign(frame, mark))),
    paths: (list) => paths(frame, layers.paths, list),
    arrows: (list) => layers.arrows.replaceChildren(...list.flatMap((a) => arrow(frame, a))),
    extra: (nodes) => layers.marks.append(...nodes),
  };
}

function geometry() {
  const frame = {
    size: [480, 480],
    window: [
      [0, 1],
      [0, 1],
    ],
    box: () => ({left: 38, top: 20, width: frame.size[0] - 46, height: frame.size[1] - 46}),
    toPixel: (x, y) => {
      const {left, top, width, height} = frame.box();
      const [[x0, x1], [y0, y1]] = frame.window;
      return [left + ((x - x0) / (x1 - x0)) * width, top + ((y1 - y) / (y1 - y0)) * height];
    },
    toValue: (px, py) => {
      const {left, top, width, height} = frame.box();
      const [[x0, x1], [y0, y1]] = frame.window;
      return [x0 + ((px - left) / width) * (x1 - x0), y1 - ((py - top) / height) * (y1 - y0)];
    },
  };
  return frame;
}

/** Whether a point is inside the window that is shown. */
export const inside = ([[x0, x1], [y0, y1]], x, y) => x >= x0 && x <= x1 && y >= y0 && y <= y1;

// relief: {grid, n, shade, map, dark}
function ground(frame, {grid, n, shade, map, dark, levels: count = LEVELS}) {
  const {left, top, width, height} = frame.box();
  const picture = draw("image", {
    x: left,
    y: top,
    width,
    height,
    preserveAspectRatio: "none",
    href: image(grid, n, shade, table(map, dark)),
  });
  const x = (i) => left + (i / (n - 1)) * width;
  const y = (j) => top + height - (j / (n - 1)) * height;
  const levels = Array.from({length: count}, (_, k) => shade.height((k + 0.5) / count));
  const isolines = levels.map((level) => draw("path", {class: "isoline", d: contour(grid, n, n, level, x, y)}));
  return [picture, ...isolines];
}

/** Heights as a PNG in a data URL, north up. */
export function image(grid, n, shade, colours) {
  const canvas = make("canvas", {width: n, height: n});
  const context = canvas.getContext("2d");
  const data = context.createImageData(n, n);
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      const place = shade.place(grid[j * n + i]);
      const [r, g, b] = colours[Number.isNaN(place) ? 255 : Math.max(0, Math.min(255, Math.round(255 * place)))];
      data.data.set([r, g, b, 255], 4 * ((n - 1 - j) * n + i));
    }
  }
  context.putImageData(data, 0, 0);
  return canvas.toDataURL();
}

/** Round numbers, about `count` of them, that divide an interval. */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++)
    found.push(Number((k * step).toPrecision(6)));
  return found;
}

function axes(frame, names) {
  const {left, top, width, height} = frame.box();
  const [[x0, x1], [y0, y1]] = frame.window;
  const text = (x, y, anchor, words, kind = "tick") => draw("text", {x, y, class: kind, "text-anchor": anchor}, words);
  const across = ticks(x0, x1, Math.max(3, width / 90)).map((v) =>
    text(frame.toPixel(v, y0)[0], top + height + 16, "middle", show(v, 4)),
  );
  const up = ticks(y0, y1, Math.max(3, height / 80)).map((v) =>
    text(left - 5, frame.toPixel(x0, v)[1] + 4, "end", show(v, 3)),
  );
  return [
    draw("rect", {class: "edge", x: left, y: top, width, height}),
    ...across.slice(0, -1),
    ...up,
    text(left + width, top + height + 16, "end", names[0], "name"),
    text(left, top - 7, "start", names[1], "name"),
  ];
}

function sign(frame, {x, y, kind, title}) {
  const [px, py] = frame.toPixel(x, y);
  const shapes = {
    minimum: "M0,-7L1.8,-2.2L6.8,-2.2L2.8,1L4.2,6L0,3L-4.2,6L-2.8,1L-6.8,-2.2L-1.8,-2.2Z",
    saddle: "M-5,-5L5,5M-5,5L5,-5",
    truth: "M0,-6L6,0L0,6L-6,0Z",
  };
  return draw(
    "path",
    {class: `sign ${kind}`, d: shapes[kind], transform: `translate(${px} ${py})`},
    draw("title", {}, title),
  );
}

const near = (v) => Math.round(10 * Math.max(-FAR, Math.min(FAR, v))) / 10;

// The `d` of a path; this is most of the work of a drag, so it goes without arrays.
function trace(frame, points, count = points.length / 2) {
  const [left, top] = frame.toPixel(0, 0);
  const [right, bottom] = frame.toPixel(1, 1);
  let d = "";
  for (let t = 0; t < count; t++) {
    const px = near(left + points[2 * t] * (right - left));
    const py = near(top + points[2 * t + 1] * (bottom - top));
    if (px !== px || py !== py) break; // NaN: the path ends here
    d += (t ? "L" : "M") + px + "," + py;
  }
  return d;
}

// list: [{points, upTo, colour, dash, title}]. Elements are kept from one drag to the next; only `d` changes.
function paths(frame, layer, list) {
  while (layer.children.length > list.length) layer.lastChild.remove();
  list.forEach(({points, upTo, colour, dash, strong}, i) => {
    let group = layer.children[i];
    if (!group) {
      group = draw(
        "g",
        {},
        draw("path", {class: "halo"}),
        draw("path", {class: "path"}),
        draw("g", {class: "steps"}),
        draw("circle", {class: "ball", r: 6}),
      );
      layer.append(group);
    }
    const [halo, path, , ball] = group.children;
    const d = trace(frame, points, upTo + 1);
    halo.setAttribute("d", d);
    change(path, {d, stroke: colour, "stroke-dasharray": dash || undefined, "stroke-width": strong ? 3.2 : 2.2});
    const last = [points[2 * upTo], points[2 * upTo + 1]];
    const [px, py] = frame.toPixel(...last);
    const seen = Number.isFinite(px) && Number.isFinite(py);
    change(ball, {
      cx: seen ? near(px) : 0,
      cy: seen ? near(py) : 0,
      fill: colour,
      visibility: seen ? undefined : "hidden",
    });
  });
}

function arrow(frame, {from, to, colour, kind, title}) {
  const [ax, ay] = frame.toPixel(...from);
  const [bx, by] = frame.toPixel(...to);
  const length = Math.hypot(bx - ax, by - ay);
  if (!(length > 1) || !Number.isFinite(length)) return [];
  const shorten = Math.min(1, FAR / length);
  const [dx, dy] = [((bx - ax) / length) * 8, ((by - ay) / length) * 8];
  const [ex, ey] = [ax + (bx - ax) * shorten, ay + (by - ay) * shorten];
  const line = `M${near(ax)},${near(ay)}L${near(ex)},${near(ey)}`;
  const head = `M${near(ex - dx - dy / 2)},${near(ey - dy + dx / 2)}L${near(ex)},${near(ey)}L${near(ex - dx + dy / 2)},${near(ey - dy - dx / 2)}`;
  const under = draw("path", {class: "halo", d: line + head});
  return [under, draw("path", {class: `arrow ${kind}`, d: line + head, stroke: colour}, draw("title", {}, title))];
}
