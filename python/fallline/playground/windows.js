// Which part of the plane is shown? A square around the domain, what one has zoomed to, or a curve where there is one axis.

/** The domain, widened to a square: a unit is as long on both axes, so gradients stand upright on lines of equal height. */
export function whole({domain: [x0, x1, y0, y1], dimensions}) {
  const sides = [x1 - x0, y1 - y0].map((side, _, both) => (dimensions === 1 ? side : Math.max(...both)) / 2);
  return [
    [x0, x1],
    [y0, y1],
  ].map(([low, high], axis) => [(low + high) / 2 - sides[axis], (low + high) / 2 + sides[axis]]);
}

/** The window larger by a factor; one that shrinks closes in on `target`. */
export function zoomed(window, factor, target) {
  return window.map(([low, high], axis) => {
    const centre = factor < 1 ? target[axis] : (low + high) / 2;
    const half = ((high - low) * factor) / 2;
    return [centre - half, centre + half].map((v) => Number(v.toPrecision(6)));
  });
}

/** What is drawn: the window, how a result's points become places in it, and where the start is. */
export function shown(engine, landscape, window, start) {
  if (landscape.dimensions !== 1) return {window, shape: (result) => result.points, at: start};
  // with one axis, height is drawn upwards
  const [low, high] = window[0];
  const heights = Array.from({length: 101}, (_, i) => engine.value(landscape.name, low + (i / 100) * (high - low), 0));
  const [bottom, top] = [Math.min(...heights), Math.max(...heights)];
  const shape = ({points, losses}) => points.map((v, k) => (k % 2 ? losses[(k - 1) / 2] : v));
  return {
    window: [window[0], [bottom - 0.06 * (top - bottom), top]],
    shape,
    at: [start[0], engine.value(landscape.name, ...start)],
  };
}
