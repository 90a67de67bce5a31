// Which questions does the line fit answer? Five, each with an answer that points at what is seen, with its numbers.

import {make, show} from "./dom.js";

/** `facts`: {truth, best, atTruth, atBest, end, rate, limit, batch, points, noise, loss}. */
export const QUESTIONS = [
  {
    title: "Why does the landscape look like this?",
    answer: ({points, loss}) =>
      `Every place of the map is a line: its slope to the right, its intercept upwards. Its height is the mean ${loss === "mae" ? "absolute" : "squared"} error of that line over the ${points} points. ${
        loss === "mae"
          ? "Absolute errors add up to a bowl with straight, creased walls: far away it is no steeper than near."
          : "Squares add up to one bowl with one minimum; it is narrower along the intercept, because every point feels the intercept fully and the slope only as far as its x is from 0."
      }`,
  },
  {
    title: "What are the red and the blue dot?",
    answer: ({truth, atTruth}) =>
      `The red dot is the line that training begins with: drag it, and the line in the data moves with it. The blue dot is the ground truth, slope ${show(truth[0])} and intercept ${show(truth[1])}, from which the points were drawn with noise. Its loss is ${show(atTruth)} and not 0, because the noise is in the points.`,
  },
  {
    title: "Why can the cost end below that of the ground truth?",
    answer: ({atTruth, atBest, best, loss}) =>
      best
        ? `The sample has its own best line: slope ${show(best[0])}, intercept ${show(best[1])}, with loss ${atBest.toPrecision(5)}, below the ${atTruth.toPrecision(5)} of the ground truth (the dashed level in the chart). Training fits these points, with their noise, and not the line behind them. With more points or less noise the star and the blue dot come together: try 10 points, then 3000.`
        : `The sample has its own best line, which fits these points with their noise better than the line behind them (loss ${show(atTruth)}, the dashed level in the chart). With more points or less noise the two come together: try 10 points, then 3000.`,
  },
  {
    title: "What does the learning rate do?",
    answer: ({rate, limit, loss}) =>
      loss === "mae"
        ? "With absolute errors the gradient does not become small near the minimum: a constant rate steps to and fro over it at the end. Let it decay."
        : `Small: the path is smooth and short, and not there yet when the steps are used up. Medium: a few steps. Large: it jumps across the valley. Gradient descent over all points is stable below ${show(limit)}, which is 2 over the largest curvature; above it every step ends farther out. Now it is ${show(rate)}.`,
  },
  {
    title: "What does the batch size do?",
    answer: ({batch, points}) =>
      `Each step sees ${batch >= points || batch === 0 ? "all points: the path goes straight down the landscape that is drawn" : `${batch} of ${points} points: its gradient is that of another, noisy landscape, and the path trembles`}. At the minimum the gradient over all points is zero, over a batch it is not: with a constant rate the path never comes to rest. Batch 1 trembles most, and is cheapest per step; a decay of the rate calms it.`,
  },
];

export function questions() {
  const answers = QUESTIONS.map(() => make("p", {}));
  const node = make(
    "section",
    {class: "questions panel", "aria-label": "Five questions"},
    make("h2", {}, "Five questions"),
    ...QUESTIONS.map((q, i) => make("details", {open: i === 2}, make("summary", {}, q.title), answers[i])),
  );
  return {
    node,
    tell: (facts) =>
      QUESTIONS.forEach((q, i) => {
        answers[i].textContent = q.answer(facts);
      }),
  };
}

/** The largest second derivative of the mean square: the larger eigenvalue of 2 (mean x², mean x; mean x, 1). */
export function curvature({x}) {
  let [first, second] = [0, 0];
  for (const v of x) [first, second] = [first + v / x.length, second + (v * v) / x.length];
  return second + 1 + Math.sqrt((second - 1) ** 2 + 4 * first * first);
}
