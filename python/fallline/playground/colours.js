// Which colours? Maps for heights (darker is larger, even steps of lightness, safe for colour-blind eyes) and for lines.

// The colours are the style's, one set for each ground, after Okabe and Ito 2008; then the same again, dashed.
const LINES = 6;
const DASHES = ["", "7 4", "2 4", "10 3 2 3"];

/** Colour and dashes of line i: no two of the first 24 are alike. */
export const line = (i) => ({colour: `var(--line-${i % LINES})`, dash: DASHES[Math.floor(i / LINES) % DASHES.length]});

// Paths in OKLCH (Ottosson 2020): lightness falls in even steps, hue and chroma move slowly.
export const MAPS = {
  sea: {title: "sea", stops: (t) => [0.985 - 0.43 * t, 0.008 + 0.075 * t, 215 + 35 * t]},
  earth: {title: "earth", stops: (t) => [0.985 - 0.43 * t, 0.012 + 0.075 * t, 95 - 45 * t]},
  grey: {title: "grey", stops: (t) => [0.985 - 0.45 * t, 0, 0]},
};

function rgb([lightness, chroma, hue]) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const gamma = (c) => (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055);
  return linear.map((c) => Math.round(255 * Math.min(1, Math.max(0, gamma(Math.min(1, Math.max(0, c)))))));
}

const tables = new Map();
/** 256 colours from low to high; on a dark page the whole map is a little darker, so that it does not glare. */
export function table(name, dark = false) {
  const key = name + dark;
  if (!tables.has(key)) {
    const stops = (MAPS[name] ?? MAPS.sea).stops;
    const dim = ([l, c, h]) => [dark ? 0.17 + 0.42 * ((l - 0.55) / 0.435) : l, c * (dark ? 0.8 : 1), h];
    tables.set(
      key,
      Array.from({length: 256}, (_, i) => rgb(dim(stops(i / 255)))),
    );
  }
  return tables.get(key);
}

export const css = ([r, g, b]) => `rgb(${r},${g},${b})`;

/**
 * How a height becomes a place in the map, 0 to 1: linear, or the logarithm of the distance above the lowest point,
 * which keeps a valley visible beside a wall a thousand times as high.
 */
export function shading(grid, kind, share = 0.04) {
  const finite = Float64Array.from(grid.filter(Number.isFinite)).sort();
  const low = finite[0] ?? 0;
  const high = finite[finite.length - 1] ?? 1;
  if (!(high > low)) return {low, high: low + 1, place: () => 0, height: () => low};
  const soft = Math.max((finite[Math.floor(finite.length * share)] - low) * 0.5, (high - low) * 1e-6);
  if (kind !== "log") {
    return {low, high, place: (v) => (v - low) / (high - low), height: (p) => low + p * (high - low)};
  }
  const top = Math.log1p((high - low) / soft);
  return {
    low,
    high,
    place: (v) => Math.log1p(Math.max(0, v - low) / soft) / top,
    height: (p) => low + soft * Math.expm1(p * top),
  };
}
