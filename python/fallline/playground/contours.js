// Where does a grid of heights cross a level? Marching squares (Lorensen & Cline 1987 in the plane), joined into lines.

// For each of the 16 cases: pairs of edges that a line joins. Edges: 0 below, 1 right, 2 above, 3 left.
const JOINS = [
  [],
  [3, 0],
  [0, 1],
  [3, 1],
  [1, 2],
  [3, 0, 1, 2],
  [0, 2],
  [3, 2],
  [2, 3],
  [2, 0],
  [0, 1, 2, 3],
  [2, 1],
  [1, 3],
  [1, 0],
  [0, 3],
  [],
];

/** The `d` of an SVG path; `grid[j * nx + i]`, mapped by `x(i)` and `y(j)`. */
export function contour(grid, nx, ny, level, x, y) {
  const point = (edge) => crossing(grid, nx, edge, level, x, y);
  return lines(grid, nx, ny, level)
    .map((edges) => "M" + edges.map(point).join("L"))
    .join("");
}

// An edge is one number: twice its lower left corner, plus 1 where it goes up.
function crossing(grid, nx, edge, level, x, y) {
  const corner = edge >> 1;
  const i = corner % nx;
  const j = (corner - i) / nx;
  const up = edge & 1;
  const share = (level - grid[corner]) / (grid[corner + (up ? nx : 1)] - grid[corner]);
  return `${x(i + (up ? 0 : share)).toFixed(1)},${y(j + (up ? share : 0)).toFixed(1)}`;
}

function segments(grid, nx, ny, level) {
  const next = new Map();
  const link = (a, b) => {
    if (!next.has(a)) next.set(a, []);
    next.get(a).push(b);
  };
  for (let j = 0; j + 1 < ny; j++) {
    for (let i = 0; i + 1 < nx; i++) {
      const c = j * nx + i;
      if (!Number.isFinite(grid[c] + grid[c + 1] + grid[c + nx] + grid[c + nx + 1])) continue;
      const code =
        (grid[c] > level) |
        ((grid[c + 1] > level) << 1) |
        ((grid[c + nx + 1] > level) << 2) |
        ((grid[c + nx] > level) << 3);
      if (code === 0 || code === 15) continue;
      const edges = [2 * c, 2 * (c + 1) + 1, 2 * (c + nx), 2 * c + 1];
      const join = JOINS[code];
      for (let k = 0; k < join.length; k += 2) {
        link(edges[join[k]], edges[join[k + 1]]);
        link(edges[join[k + 1]], edges[join[k]]);
      }
    }
  }
  return next;
}

function lines(grid, nx, ny, level) {
  const next = segments(grid, nx, ny, level);
  const ends = [...next.keys()].filter((edge) => next.get(edge).length === 1);
  const found = [];
  for (const start of [...ends, ...next.keys()]) {
    const walk = [start];
    for (let here = start; next.get(here)?.length;) {
      const there = next.get(here).pop();
      next.get(there).splice(next.get(there).indexOf(here), 1);
      walk.push(there);
      here = there;
    }
    if (walk.length > 1) found.push(walk);
  }
  return found;
}
