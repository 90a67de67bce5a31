// How is a landscape seen as hills and valleys? A turned grid of tiles, painted from back to front, with balls on it.

import {css, table} from "./colours.js";
import {change, make} from "./dom.js";

const TILES = 80;
const HEIGHT = 0.46; // of the relief, in widths of the map

/** A canvas with a view that is turned by dragging, by the arrow keys and by `turn`. */
export function surface({label, resized}) {
  const node = make("canvas", {class: "surface", tabindex: 0, role: "img", "aria-label": label});
  const view = {turned: -0.6, tilted: 0.62};
  const turn = (right, up) => {
    view.turned += right;
    view.tilted = Math.max(0.12, Math.min(1.45, view.tilted + up));
    resized();
  };
  const KEYS = {ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.08], ArrowDown: [0, -0.08]};
  node.addEventListener("keydown", (event) => {
    if (!KEYS[event.key]) return;
    turn(...KEYS[event.key]);
    event.preventDefault();
  });
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    let [x, y] = [event.clientX, event.clientY];
    const follow = (e) => {
      turn((e.clientX - x) * 0.008, (e.clientY - y) * 0.006);
      [x, y] = [e.clientX, e.clientY];
    };
    node.addEventListener("pointermove", follow);
    for (const end of ["pointerup", "pointercancel"])
      node.addEventListener(end, () => node.removeEventListener("pointermove", follow), {once: true});
  });
  new ResizeObserver(() => node.clientWidth && resized()).observe(node);
  return {node, view, turn, show: (scene) => paint(node, view, scene)};
}

function paint(node, view, scene) {
  const size = node.clientWidth || 480;
  const dots = Math.min(2, window.devicePixelRatio || 1);
  if (node.width !== Math.round(size * dots))
    change(node, {width: Math.round(size * dots), height: Math.round(size * 0.82 * dots)});
  const context = node.getContext("2d");
  context.setTransform(dots, 0, 0, dots, 0, 0);
  context.clearRect(0, 0, size, size);
  render(canvasPen(context), view, scene, size, size * 0.82, named(node));
}

// Colours of lines are names of the style.
const named = (node) => (colour) =>
  getComputedStyle(node)
    .getPropertyValue(/var\((.*)\)/.exec(colour)[1])
    .trim();

// What draws polygons, lines and balls: a canvas now, an SVG text for the export.
function canvasPen(context) {
  const shape = (points) => {
    context.beginPath();
    points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  };
  return {
    tile: (points, colour) => {
      shape(points);
      context.closePath();
      context.fillStyle = context.strokeStyle = colour;
      context.lineWidth = 0.7;
      context.fill();
      context.stroke();
    },
    line: (points, colour, width, dash) => {
      shape(points);
      context.setLineDash(dash ? dash.split(" ").map(Number) : []);
      context.lineJoin = "round";
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
      context.setLineDash([]);
    },
    ball: ([x, y], radius, colour) => {
      const light = context.createRadialGradient(x - radius / 3, y - radius / 3, 1, x, y, radius);
      light.addColorStop(0, "#fff");
      light.addColorStop(0.35, colour);
      light.addColorStop(1, colour);
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fillStyle = light;
      context.strokeStyle = "rgba(0,0,0,.55)";
      context.lineWidth = 1;
      context.fill();
      context.stroke();
    },
  };
}

/** The same view as an SVG text. */
export function surfaceSvg(node, view, scene, size) {
  const out = [];
  const at = (points) => points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  const pen = {
    tile: (points, colour) =>
      out.push(`<polygon points="${at(points)}" fill="${colour}" stroke="${colour}" stroke-width=".7"/>`),
    line: (points, colour, width, dash) =>
      out.push(
        `<polyline points="${at(points)}" fill="none" stroke="${colour}" stroke-width="${width}" stroke-dasharray="${dash || "none"}"/>`,
      ),
    ball: ([x, y], r, colour) =>
      out.push(`<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${r}" fill="${colour}" stroke="#0008"/>`),
  };
  render(pen, view, scene, size, size * 0.82, named(node));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size * 0.82}" width="${size}">${out.join("")}</svg>`;
}

// scene: {grid, n, window, shade, map, dark, paths: [{points, losses, upTo, colour, dash}], spots: [{x, y, loss, colour}]}
function render(pen, view, scene, width, height, colour) {
  const {grid, n, relief} = scene;
  const colours = table(scene.map, scene.dark);
  const project = projector(view, width, height);
  const lift = (v) => HEIGHT * Math.max(0, Math.min(1.15, relief.place(v)));
  const pick = (k) => Math.round((k / TILES) * (n - 1));
  const node = (i, j) => project(i / TILES - 0.5, j / TILES - 0.5, lift(grid[pick(j) * n + pick(i)]));
  const corners = Array.from({length: (TILES + 1) ** 2}, (_, k) => node(k % (TILES + 1), Math.floor(k / (TILES + 1))));
  const order = (forward) => Array.from({length: TILES}, (_, k) => (forward ? k : TILES - 1 - k));
  const across = order(Math.sin(view.turned) < 0);
  for (const j of order(Math.cos(view.turned) < 0)) {
    for (const i of across) {
      const c = j * (TILES + 1) + i;
      pen.tile(
        [corners[c], corners[c + 1], corners[c + TILES + 2], corners[c + TILES + 1]],
        tint(scene, colours, pick, i, j),
      );
    }
  }
  const [[x0, x1], [y0, y1]] = scene.window;
  const onto = (x, y, loss) => project((x - x0) / (x1 - x0) - 0.5, (y - y0) / (y1 - y0) - 0.5, lift(loss) + 0.006);
  for (const path of scene.paths) rolled(pen, {...path, colour: colour(path.colour)}, onto, scene.window);
  for (const spot of scene.spots) pen.ball(onto(spot.x, spot.y, spot.loss), 6, colour(spot.colour));
}

// Light from the west: the colour says the height, and a slope that looks east is a little darker.
function tint({grid, n, shade, relief}, colours, pick, i, j) {
  const at = (a, b) => relief.place(grid[pick(b) * n + pick(a)]);
  const [a, b, c, d] = [at(i, j), at(i + 1, j), at(i, j + 1), at(i + 1, j + 1)];
  const place = shade.place(grid[pick(j) * n + pick(i)]);
  const light = Math.max(-0.16, Math.min(0.1, (b + d - a - c) * 2.2 + (c + d - a - b) * 1.1));
  const base = colours[Math.max(0, Math.min(255, Math.round(255 * (place || 0))))];
  return css(base.map((v) => Math.round(Math.max(0, Math.min(255, v * (1 + light))))));
}

function projector({turned, tilted}, width, height) {
  const [ct, st, ce, se] = [Math.cos(turned), Math.sin(turned), Math.cos(tilted), Math.sin(tilted)];
  const scale = Math.min(width * 0.7, height * 0.78);
  return (x, y, z) => {
    const [right, back] = [x * ct - y * st, x * st + y * ct];
    return [width / 2 + right * scale, height * 0.63 - (back * se + z * ce) * scale];
  };
}

function rolled(pen, {points, losses, upTo, colour, dash}, onto, [[x0, x1], [y0, y1]]) {
  const line = [];
  for (let t = 0; t <= upTo; t++) {
    const [x, y] = [points[2 * t], points[2 * t + 1]];
    if (!(x >= x0 && x <= x1 && y >= y0 && y <= y1)) break; // outside the map there is no ground to draw it on
    line.push(onto(x, y, losses[t]));
  }
  if (!line.length) return;
  pen.line(line, "rgba(255,255,255,.75)", 4.5, "");
  pen.line(line, colour, 2.4, dash);
  pen.ball(line[line.length - 1], 8, colour);
}
