// Which lessons are there? Each is a state of the optimizers' lab with a question, an answer that points at what is seen,
// the requirement rows it closes, and how every run must end (tested).

const run = (rule, hypers, more = {}) => ({rule, hypers, schedules: {}, wrap: "none", ...more});
const timed = (name, given) => ({schedules: {lr: {name, arguments: given}}});

export const PRESETS = [
  {
    key: "momentum",
    title: "Why momentum?",
    rows: ["R148"],
    ends: ["way", "found"],
    question: "Why does momentum help in a ravine?",
    answer:
      "Both have the same learning rate. Gradient descent jumps from wall to wall, because the walls are steep, and creeps along the floor, because the floor is flat. Momentum adds its steps up: those across the ravine alternate and cancel, those along it agree and grow. Drag the red dot: it stays so from every start.",
    state: {
      landscape: "ravine",
      steps: 30,
      speed: 8,
      runs: [run("sgd", {lr: 0.09}), run("momentum", {lr: 0.09, momentum: 0.5})],
    },
  },
  {
    key: "rates",
    title: "Learning rates",
    rows: ["R75"],
    ends: ["way", "found", "found", "left"],
    question: "What is a learning rate that is too small, right, or too large?",
    answer:
      "Four times gradient descent in one bowl. 0.01 is too small: the steps are tiny and not there in time. 0.3 is right. 0.95 overshoots the minimum with every step, and still comes to it. 1.03 is too large: every step ends higher on the other side, until it leaves the map. Move the sliders: the limit here is 1, which is 2 over the curvature.",
    state: {
      landscape: "bowl",
      steps: 60,
      runs: [run("sgd", {lr: 0.01}), run("sgd", {lr: 0.3}), run("sgd", {lr: 0.95}), run("sgd", {lr: 1.03})],
    },
  },
  {
    key: "limit",
    title: "Stability limit",
    rows: ["R159"],
    ends: ["found", "left", "found", "left"],
    question: "How large may the learning rate be, and why does momentum allow a larger one?",
    answer:
      "The walls have curvature L = 20. Gradient descent is stable below 2 / L = 0.1: 0.098 converges, 0.102 does not. Momentum μ is stable below 2 (1 + μ) / L, with μ = 0.5 below 0.15: 0.147 converges, 0.153 does not. The map of learning rate and momentum below shows the border.",
    state: {
      landscape: "ravine",
      steps: 150,
      focus: 2,
      runs: [
        run("sgd", {lr: 0.098}),
        run("sgd", {lr: 0.102}),
        run("momentum", {lr: 0.147, momentum: 0.5}),
        run("momentum", {lr: 0.153, momentum: 0.5}),
      ],
    },
  },
  {
    key: "pits",
    title: "Small pits",
    rows: ["R149"],
    ends: ["way", "found"],
    question: "What happens in small pits?",
    answer:
      "Gradient descent stops in the first pit, where the slope is zero. With momentum the ball arrives with speed, rolls through the pits and stops in the middle. Look at it in 3-D.",
    state: {
      landscape: "bumpy",
      steps: 250,
      speed: 50,
      runs: [run("sgd", {lr: 0.05}), run("momentum", {lr: 0.05, momentum: 0.9})],
    },
  },
  {
    key: "noise",
    title: "Noise helps",
    rows: ["R104"],
    ends: ["found"],
    question: "What is the noise of mini-batches good for?",
    answer:
      "The gradients are noisy, as those of mini-batches are: they shake the point out of the pits that stop gradient descent without noise. Set the noise to 0 and see it stuck. The decay lets it come to rest in the end; press “Other noise” to see that it is chance.",
    state: {
      landscape: "bumpy",
      steps: 400,
      speed: 60,
      noise: 0.5,
      runs: [run("sgd", {lr: 0.6}, timed("cosine", {initial: 0.6, steps: 400, final: 0}))],
    },
  },
  {
    key: "rest",
    title: "At rest",
    rows: ["R106", "R86"],
    ends: ["way", "found"],
    question: "Why does the learning rate have to fall at the end?",
    answer:
      "Both begin in the minimum, where the gradient over all data is zero. That of a mini-batch is not: with a constant rate the point wanders around for ever, at a distance that grows with the rate. With a rate that falls it comes to rest.",
    state: {
      landscape: "bowl",
      steps: 200,
      speed: 40,
      noise: 3,
      start: [0, 0],
      gradient: true,
      runs: [run("sgd", {lr: 0.3}), run("sgd", {lr: 0.3}, timed("inverse_time", {initial: 0.3, rate: 0.5}))],
    },
  },
  {
    key: "decays",
    title: "Decays",
    rows: ["R83", "R86"],
    chart: "lr",
    ends: ["way", "found", "found", "found"],
    question: "Which decay?",
    answer:
      "The same noise and the same first rate, four times: constant, in stairs, exponential, and along a cosine. The chart shows the rates; change it to the loss. Constant stays noisy; the others trade speed at the start for rest at the end.",
    state: {
      landscape: "bowl",
      steps: 150,
      speed: 40,
      noise: 2,
      runs: [
        run("sgd", {lr: 0.3}),
        run("sgd", {lr: 0.3}, timed("step", {initial: 0.3, every: 40, factor: 0.4})),
        run("sgd", {lr: 0.3}, timed("exponential", {initial: 0.3, rate: 0.03})),
        run("sgd", {lr: 0.3}, timed("cosine", {initial: 0.3, steps: 150, final: 0})),
      ],
    },
  },
  {
    key: "correction",
    title: "Bias correction",
    rows: ["R48", "R49"],
    chart: "lengths",
    ends: ["found", "found"],
    question: "What is Adam's bias correction for?",
    answer:
      "Adam's two means start at zero, and for a while they are too small: m by a factor of 10, √v by one of 32. Without the correction (blue) the first step is therefore three times as long, and the path swings far out. With it (orange) the first step is as long as the learning rate. The chart shows the lengths.",
    state: {
      landscape: "bowl",
      steps: 120,
      speed: 30,
      runs: [run("adam", {lr: 0.2}), run("adam", {lr: 0.2, bias_correction: 0})],
    },
  },
  {
    key: "rolling",
    title: "Moving target",
    rows: ["R43"],
    ends: ["way", "found"],
    question: "What if the minimum moves?",
    answer:
      "The bowl moves a little with every step, as the loss does when the data change. Adagrad divides by the sum of all squared gradients, so its rate only falls: it is left behind. RMSprop forgets old gradients and keeps up.",
    state: {
      landscape: "bowl",
      steps: 200,
      speed: 40,
      shift: [0.015, -0.006],
      start: [-3, 2.5],
      runs: [run("adagrad", {lr: 0.3}), run("rmsprop", {lr: 0.1, alpha: 0.9})],
    },
  },
  {
    key: "axes",
    title: "Rate per axis",
    rows: ["R40", "R66"],
    chart: "rates",
    ends: ["found", "found"],
    question: "What do adaptive rules adapt?",
    answer:
      "Each axis gets a rate of its own. In the ravine the gradient across is twenty times as large as that along; Adagrad divides both by their own size, so it goes straight to the minimum where gradient descent zigzags. The chart shows the effective rates of Adagrad: they only fall, and fastest where gradients are large. Choose RMSprop under “The update, in numbers” to see rates that rise again.",
    state: {
      landscape: "ravine",
      steps: 100,
      runs: [
        run("adagrad", {lr: 0.8}),
        run("rmsprop", {lr: 0.1, alpha: 0.9}, timed("cosine", {initial: 0.1, steps: 100, final: 0})),
      ],
    },
  },
  {
    key: "annealing",
    title: "Annealing",
    rows: ["R51"],
    chart: "lengths",
    ends: ["found", "way"],
    question: "Why do Adam's steps shrink by themselves?",
    answer:
      "A step of Adam is α m̂ / √v̂. Far from the minimum all gradients agree, and m̂ is as large as √v̂. Near it noise is all that is left: the gradients cancel in m̂ but not in √v̂, and the steps shrink though α does not. Signum takes the sign of m alone: its steps never shrink.",
    state: {
      landscape: "bowl",
      steps: 200,
      speed: 40,
      noise: 1,
      runs: [run("adam", {lr: 0.2, beta2: 0.99}), run("signum", {lr: 0.2})],
    },
  },
  {
    key: "ahead",
    title: "Look-ahead",
    rows: ["R37", "R147"],
    ends: ["found", "found"],
    question: "What does Nesterov's look-ahead change?",
    answer:
      "Nesterov makes the big jump first, along the momentum it has (green, dashed), and then corrects by the gradient where it landed (the solid arrow). Plain momentum takes the gradient before the jump. The correction comes a step earlier, so it swings less. Press Reset, then Step.",
    state: {
      landscape: "ravine",
      steps: 40,
      speed: 4,
      gradient: true,
      momentum: true,
      ahead: true,
      runs: [run("nesterov_lookahead", {lr: 0.04, momentum: 0.8}), run("momentum", {lr: 0.04, momentum: 0.8})],
    },
  },
  {
    key: "hill",
    title: "Which valley?",
    rows: ["R122"],
    ends: ["local", "found"],
    question: "Which valley does a path end in?",
    answer:
      "One dimension: the height is the loss. Gradient descent runs down on the side where it starts, here into the higher valley. Drag the dot over the top of the hill, and it ends in the lower one. Momentum, from high enough, has the speed to cross the hill.",
    state: {
      landscape: "hill",
      steps: 150,
      speed: 20,
      start: [3.3, 0],
      runs: [run("sgd", {lr: 0.02}), run("momentum", {lr: 0.02, momentum: 0.9})],
    },
  },
  {
    key: "curvature",
    title: "Curvature",
    rows: ["R74"],
    chart: "slice",
    ends: ["found"],
    question: "Why do steps have to be short where the ground is curved?",
    answer:
      "The gradient is a straight line (dashed in the chart), the loss along the step is not. Where they part, the promise is broken: the error grows with the square of the step, and with the curvature. Move the learning rate and look at the first steps.",
    state: {landscape: "ravine", steps: 60, runs: [run("sgd", {lr: 0.08})]},
  },
  {
    key: "saddle",
    title: "Saddle",
    rows: ["R141"],
    ends: ["way", "way", "found", "found"],
    question: "How do paths leave a saddle?",
    answer:
      "The start is almost on the ridge. The slope across it is tiny, so gradient descent waits long at the saddle before it falls to a side. Rules that divide by the size of past gradients take the same step along a tiny slope as along a large one.",
    state: {
      landscape: "saddle",
      steps: 50,
      speed: 15,
      runs: [
        run("sgd", {lr: 0.05}),
        run("momentum", {lr: 0.05, momentum: 0.5}),
        run("rmsprop", {lr: 0.1, alpha: 0.9}, timed("cosine", {initial: 0.1, steps: 50, final: 0})),
        run("adam", {lr: 0.1, beta1: 0.8, beta2: 0.9}, timed("cosine", {initial: 0.1, steps: 50, final: 0})),
      ],
    },
  },
  {
    key: "cliff",
    title: "Cliff",
    rows: ["R69"],
    ends: ["found"],
    question: "What is clipping for?",
    answer:
      "At the edge of the cliff the gradient is huge, and one step would throw the point off the map. Clipping keeps its direction and limits its length to 1. Switch it off below (“clip the gradient: no”), and see where the path goes.",
    state: {
      landscape: "cliff",
      steps: 80,
      speed: 15,
      start: [1.5, 1.5],
      clip: "norm",
      limit: 1,
      runs: [run("sgd", {lr: 0.8})],
    },
  },
  {
    key: "wells",
    title: "Flat and sharp",
    rows: ["R104"],
    ends: ["found", "local"],
    question: "Why do large steps end in flat minima?",
    answer:
      "The sharp well on the right is the deeper one. A small rate stays in it. A larger rate is above the stability limit of its walls: it is thrown out, and ends in the flat well, where the same rate is stable.",
    state: {landscape: "two_wells", steps: 200, speed: 30, runs: [run("sgd", {lr: 0.03}), run("sgd", {lr: 0.3})]},
  },
  {
    key: "all",
    title: "Ten at once",
    rows: ["R143", "R144"],
    ends: Array(10).fill("found"),
    question: "Who is fastest?",
    answer:
      "Ten rules from one start, each with a rate that suits it here. Drag the start: the order changes. There is no best optimizer, there are landscapes that suit one or the other.",
    state: {
      landscape: "himmelblau",
      steps: 80,
      speed: 15,
      start: [-0.5, 4.2],
      runs: [
        run("sgd", {lr: 0.0063}),
        run("momentum", {lr: 0.005}),
        run("nesterov", {lr: 0.01}),
        run("adagrad", {lr: 2.5}),
        run("rmsprop", {lr: 0.08}),
        run("adadelta", {lr: 10}),
        run("adam", {lr: 2}),
        run("nadam", {lr: 0.63}),
        run("lion", {lr: 0.13}),
        run("rprop", {lr: 0.008}),
      ],
    },
  },
];
