// What can be taken away? The picture as SVG or PNG, the numbers as CSV, the Python code, a link.

import {button} from "./controls.js";
import {make} from "./dom.js";

const PROPERTIES = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "stroke-opacity",
  "fill-opacity",
  "opacity",
  "font-family",
  "font-size",
  "visibility",
  "paint-order",
];

/** An SVG element as a text that stands alone: the page's styles are written into it. */
export function svgText(node) {
  const copy = node.cloneNode(true);
  const from = node.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((element, i) => {
    const style = getComputedStyle(from[i]);
    for (const name of ["stroke", "fill"])
      if (element.getAttribute(name)?.startsWith("var(")) element.removeAttribute(name);
    element.setAttribute("style", PROPERTIES.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
  });
  const [, , width, height] = node.getAttribute("viewBox").split(" ");
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const ground = getComputedStyle(node).getPropertyValue("--paper").trim() || "#fff";
  copy.insertAdjacentHTML("afterbegin", `<rect width="${width}" height="${height}" fill="${ground}"/>`);
  return new XMLSerializer().serializeToString(copy);
}

/** The same as a PNG with twice the points. */
export async function png(text) {
  const picture = new Image();
  picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  await picture.decode();
  const canvas = make("canvas", {width: picture.width * 2, height: picture.height * 2});
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

/** Numbers with all their digits: a row for each step, a group of columns for each run. */
export function csv(runs, names) {
  const heads = [
    "step",
    ...runs.flatMap(({title}) => [...names, "loss"].map((n) => `"${title.replaceAll('"', "'")}: ${n}"`)),
  ];
  const count = Math.max(...runs.map(({result}) => result.losses.length));
  const rows = Array.from({length: count}, (_, t) =>
    [t, ...runs.flatMap(({result: {points, losses}}) => [points[2 * t], points[2 * t + 1], losses[t]])].join(","),
  );
  return [heads.join(","), ...rows].join("\n") + "\n";
}

export function save(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], {type}));
  const link = make("a", {href: url, download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** A row of buttons. `picture()` gives an SVG text, `runs()` what is drawn, `python()` the code, `link()` the address. */
export function exports({root, picture, runs, names, python, link, say}) {
  const code = make("pre", {class: "code", tabindex: 0});
  const copy = async (text, what) => {
    try {
      await navigator.clipboard.writeText(text);
      say(`${what} copied`);
    } catch {
      say(`copying is not allowed here: mark the text and copy it`);
    }
  };
  const address = make("input", {class: "address", readonly: true, "aria-label": "the link"});
  const dialog = make("dialog", {class: "paper", "aria-label": "Export"});
  const open = (title, ...content) => {
    dialog.replaceChildren(
      make("h2", {}, title),
      ...content,
      button("Close", () => dialog.close(), {class: "close"}),
    );
    dialog.showModal();
  };
  const showPython = () => {
    code.textContent = python();
    open(
      "The same path in Python",
      code,
      button("Copy", () => copy(code.textContent, "the code"), {class: "primary"}),
      button("Save as descent.py", () => save("descent.py", code.textContent, "text/x-python")),
    );
  };
  const showLink = () => {
    address.value = link();
    const frame = `<iframe src="${link()}&embed=1" width="100%" height="760" style="border:0" title="fallline playground"></iframe>`;
    open(
      "A link to exactly this",
      make(
        "p",
        {},
        "Everything that is set here stands in the address. With &embed=1 the page shows without its frame, and &hide=presets,runs,landscape,player,more,charts leaves out what a lesson does not need.",
      ),
      address,
      button("Copy link", () => copy(link(), "the link"), {class: "primary"}),
      button("Copy for embedding", () => copy(frame, "the frame")),
    );
  };
  root.append(dialog);
  return make(
    "div",
    {class: "exports", role: "group", "aria-label": "Take it with you"},
    button("Python", showPython, {class: "export-python"}),
    button("Link", showLink, {class: "export-link"}),
    button("SVG", () => save("descent.svg", picture(), "image/svg+xml"), {class: "export-svg"}),
    button("PNG", async () => save("descent.png", await png(picture()), "image/png"), {class: "export-png"}),
    button("CSV", () => save("descent.csv", csv(runs(), names), "text/csv"), {class: "export-csv"}),
  );
}
