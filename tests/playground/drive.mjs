// Answers calls of the engine: on each line of standard input a list of [function, arguments], on each line of standard
// output their results.
// Arrays of numbers go as base64, for JSON has no NaN and no infinity. {made: options} stands for a line.
import fs from "node:fs";
import readline from "node:readline";
import {pathToFileURL} from "node:url";

const [script, module] = process.argv.slice(2);
const {loadEngine} = await import(pathToFileURL(script));
const engine = await loadEngine(fs.readFileSync(module));
const {PRESETS: presets} = await import(new URL("presets.js", pathToFileURL(script)));

function encoded(value) {
  if (ArrayBuffer.isView(value)) {
    return {type: value.constructor.name, bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")};
  }
  if (Array.isArray(value)) return value.map(encoded);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, encoded(v)]));
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

function withLines(value) {
  if (!value || typeof value !== "object" || Array.isArray(value)) return value;
  const found = Object.fromEntries(Object.entries(value).map(([k, v]) => [k, withLines(v)]));
  return "made" in found ? engine.line(found.made) : found;
}

function answer([name, ...given]) {
  try {
    const member = {...engine, presets}[name];
    return {value: encoded(typeof member === "function" ? member(...given.map(withLines)) : member)};
  } catch (error) {
    return {error: error.message};
  }
}

for await (const line of readline.createInterface({input: process.stdin})) {
  process.stdout.write(`${JSON.stringify(JSON.parse(line).map(answer))}\n`);
}
