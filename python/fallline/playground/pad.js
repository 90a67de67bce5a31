// How is a point moved over a plane? By mouse, pen and touch, by one click anywhere, and by keys.

import {change, draw, show} from "./dom.js";

const KEYS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
  PageUp: [0, 10],
  PageDown: [0, -10],
};

/**
 * A handle inside `surface` (an SVG element). `frame` has `toPixel(x, y)`, `toValue(px, py)` and `window` [[x0, x1], [y0, y1]];
 * `names` are the two letters; `move(x, y)` is told of every change.
 */
export function handle({surface, frame, label, names, kind, move, value = [0, 0]}) {
  const node = draw(
    "g",
    {
      class: `handle ${kind}`,
      tabindex: 0,
      role: "slider",
      "aria-label": label,
      "aria-roledescription": "point in the plane",
    },
    draw("circle", {class: "reach", r: 22}),
    draw("circle", {class: "ring", r: 9}),
    draw("circle", {class: "dot", r: 7}),
  );
  let [x, y] = value;
  const place = (nx, ny) => {
    [x, y] = [nx, ny];
    const [px, py] = frame.toPixel(x, y);
    const [[low, high]] = frame.window;
    change(node, {
      transform: `translate(${px.toFixed(2)} ${py.toFixed(2)})`,
      "aria-valuemin": low,
      "aria-valuemax": high,
      "aria-valuenow": x,
      "aria-valuetext": `${names[0]} ${show(x)}, ${names[1]} ${show(y)}`,
    });
  };
  const go = (nx, ny) => {
    const [[x0, x1], [y0, y1]] = frame.window;
    place(Math.min(x1, Math.max(x0, nx)), Math.min(y1, Math.max(y0, ny)));
    move(x, y);
  };
  node.addEventListener("keydown", (event) => {
    const [[x0, x1], [y0, y1]] = frame.window;
    const stride = event.shiftKey ? 0.001 : 0.01;
    if (event.key === "Home") go(x0, y);
    else if (event.key === "End") go(x1, y);
    else if (KEYS[event.key]) {
      const [right, up] = KEYS[event.key];
      go(tidy(x + right * stride * (x1 - x0), x1 - x0), tidy(y + up * stride * (y1 - y0), y1 - y0));
    } else return;
    event.preventDefault();
  });
  place(x, y);
  node.addEventListener("touchstart", (event) => event.preventDefault(), {passive: false}); // a drag, not a scroll
  const jump = (event) => {
    const [vx, vy] = frame.toValue(...pixel(event, surface, frame));
    const [[x0, x1], [y0, y1]] = frame.window;
    go(tidy(vx, x1 - x0), tidy(vy, y1 - y0));
  };
  return {node, place, jump, drag: (event) => drag(event, surface, frame, node, go, [x, y])};
}

/** A number with no more digits than a pixel is worth: links stay short. */
export const tidy = (value, span) => Number(value.toFixed(Math.max(0, 4 - Math.floor(Math.log10(span)))));

function pixel(event, surface, frame) {
  const box = surface.getBoundingClientRect();
  const [width, height] = frame.size;
  return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
}

/** Follow this pointer until it is lifted. A press on the handle keeps its distance; one beside it moves the point there. */
function drag(event, surface, frame, node, go, [x, y]) {
  const where = (e) => pixel(e, surface, frame);
  const [hx, hy] = frame.toPixel(x, y);
  const [px, py] = where(event);
  const held = node.contains(event.target) ? [hx - px, hy - py] : [0, 0];
  const follow = (e) => {
    const [qx, qy] = where(e);
    const [vx, vy] = frame.toValue(qx + held[0], qy + held[1]);
    const [[x0, x1], [y0, y1]] = frame.window;
    go(tidy(vx, x1 - x0), tidy(vy, y1 - y0));
  };
  const end = () => {
    surface.removeEventListener("pointermove", follow);
    surface.removeEventListener("pointerup", end);
    surface.removeEventListener("pointercancel", end);
  };
  surface.setPointerCapture(event.pointerId);
  surface.addEventListener("pointermove", follow);
  surface.addEventListener("pointerup", end);
  surface.addEventListener("pointercancel", end);
  node.focus({preventScroll: true});
  if (!node.contains(event.target)) follow(event);
  event.preventDefault();
}
