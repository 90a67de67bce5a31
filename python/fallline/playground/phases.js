// What are the four parts of a step? Forward, loss, backward, update, each in a sentence with its numbers.

import {show} from "./dom.js";

export const PHASES = ["1 Forward", "2 Loss", "3 Backward", "4 Update"];

/** The sentence for a part of step `step`; `rows` are those of its batch, `label` the rule. */
export function phaseWords({phase, step, rows, data, result, label}) {
  const pair = (list, k) => [list[2 * k], list[2 * k + 1]];
  const [slope, intercept] = pair(result.points, step);
  const [gs, gi] = pair(result.gradients, step);
  const [nextSlope, nextIntercept] = pair(result.points, step + 1);
  const power = data.loss === "mae" ? "|ŷ − y|" : "(ŷ − y)²";
  return [
    `Forward: the line now predicts ŷ = ${show(slope)} x + ${show(intercept)} for the ${rows.length} points of this batch, marked in the data.`,
    `Loss: the mean of ${power} over the batch is ${show(batchLoss(data, rows, slope, intercept), 4)}; the vertical lines are the errors. Over all points it is ${show(result.losses[step], 4)}.`,
    `Backward: the derivative of that mean is ${show(gs, 4)} for the slope and ${show(gi, 4)} for the intercept; the arrow points against it.`,
    `Update: ${label} goes to slope ${show(nextSlope, 4)} and intercept ${show(nextIntercept, 4)}.`,
  ][phase];
}

// The same mean that the module takes, over the rows of a batch.
function batchLoss({x, y, loss}, rows, slope, intercept) {
  let sum = 0;
  for (const i of rows) {
    const e = slope * x[i] + intercept - y[i];
    sum += loss === "mae" ? Math.abs(e) : e * e;
  }
  return sum / rows.length;
}
