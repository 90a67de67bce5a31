// FORMULAS of landscapes: functions of two parameters, each with what to draw, where its minima and saddles are, and
// what it teaches.
//
// Included once per number type, inside a namespace that supplies exp, sin, cos, sqrt, sigmoid and select for X (a
// number, a number with its derivatives, a graph value). Literals are integers or X(0.5). A new landscape: a struct
// here and its name in FL_LANDSCAPES at the end; gradients follow from the formula.

template <class X>
FL_FN X squared(X x) {
  return x * x;
}

struct Bowl {
  static constexpr Landscape kAbout = {
      "bowl",      "Quadratic bowl",
      "x^2 + y^2", {-4, 4, -4, 4},
      {-3, 2.5},   "Every rule works here: compare their speed, and what too small and too large learning rates do."};
  static constexpr auto kMinima = places(Place{0, 0, 0});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    return squared(x) + squared(y);
  }
};

// Its curvatures are 1 and 20, so plain descent is stable up to a learning rate of 2 / 20.
struct Ravine {
  static constexpr Landscape kAbout = {"ravine",
                                       "Ravine",
                                       "(x^2 + 20 y^2) / 2",
                                       {-5, 5, -2.5, 2.5},
                                       {-4.5, 1.5},
                                       "Steep sides and a gentle floor: plain descent zigzags between the sides, "
                                       "momentum gathers speed along the floor."};
  static constexpr auto kMinima = places(Place{0, 0, 0});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    return X(0.5) * (squared(x) + 20 * squared(y));
  }
};

struct Saddle {
  static constexpr Landscape kAbout = {
      "saddle",
      "Saddle",
      "(x^2 - y^2) / 2 + y^4 / 4",
      {-2, 2, -2, 2},
      {-1.8, 0.01},
      "The gradient almost vanishes at a saddle. Rules that divide by the size of past gradients leave it first."};
  static constexpr auto kMinima = places(Place{0, -1, -0.25}, Place{0, 1, -0.25});
  static constexpr auto kSaddles = places(Place{0, 0, 0});
  template <class X>
  FL_FN static X f(X x, X y) {
    const X y2 = squared(y);
    return X(0.5) * (squared(x) - y2) + X(0.25) * squared(y2);
  }
};

struct MonkeySaddle {
  static constexpr Landscape kAbout = {
      "monkey_saddle",
      "Monkey saddle",
      "x^3 - 3 x y^2 + (x^2 + y^2)^2 / 2",
      {-2.2, 2.2, -2.2, 2.2},
      {0.6, 0.02},
      "Three valleys meet at a point without slope and without curvature, so that leaving it takes very long."};
  static constexpr auto kMinima = places(Place{-1.5, 0, -0.84375}, Place{0.75, 1.299038105676658, -0.84375},
                                         Place{0.75, -1.299038105676658, -0.84375});
  static constexpr auto kSaddles = places(Place{0, 0, 0});
  template <class X>
  FL_FN static X f(X x, X y) {
    const X x2 = squared(x), y2 = squared(y);
    return x * (x2 - 3 * y2) + X(0.5) * squared(x2 + y2);
  }
};

struct Plateau {
  static constexpr Landscape kAbout = {
      "plateau",
      "Plateau",
      "1 - exp(-(x^2 + y^2) / 2)",
      {-4, 4, -4, 4},
      {-3, 2},
      "Far from the minimum the slope is tiny: plain descent stands still, rules with a step of fixed size walk on."};
  static constexpr auto kMinima = places(Place{0, 0, 0});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    return 1 - exp(X(-0.5) * (squared(x) + squared(y)));
  }
};

struct Cliff {
  static constexpr Landscape kAbout = {
      "cliff",
      "Cliff",
      "(x^2 + y^2) / 10 + 5 sigmoid(10 (x - 1))",
      {-4, 4, -3, 3},
      {1.6, 1.5},
      "At the edge the gradient explodes and one step throws the point far away. Clipping keeps its direction."};
  static constexpr auto kMinima = places(Place{-0.010244019246920119, 0, 0.00021538277385403061});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    return X(0.1) * (squared(x) + squared(y)) + 5 * sigmoid(10 * (x - 1));
  }
};

struct TwoWells {
  static constexpr Landscape kAbout = {
      "two_wells",
      "Two wells, one flat and one sharp",
      "2 + (x^2 + y^2) / 50 - exp(-((x + 3/2)^2 + y^2) / 2) - 6/5 exp(-12 ((x - 3/2)^2 + y^2))",
      {-4, 4, -3, 3},
      {1.5, 0.8},
      "The sharp well is deeper. Large steps and noisy gradients cannot stay in it and end in the flat one."};
  static constexpr auto kMinima =
      places(Place{1.4967535232114189, 0, 0.83373952167750069}, Place{-1.4422150051823926, 0, 1.0432678423084995});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    const X y2 = squared(y);
    return 2 + X(0.02) * (squared(x) + y2) - exp(X(-0.5) * (squared(x + X(1.5)) + y2)) -
           X(1.2) * exp(-12 * (squared(x - X(1.5)) + y2));
  }
};

struct Bumpy {
  static constexpr Landscape kAbout = {
      "bumpy",
      "Bowl with small pits",
      "(x^2 + y^2 + 2 - cos 5x - cos 5y) / 10",
      {-4, 4, -4, 4},
      {-3.2, 2.9},
      "Plain descent ends in the first pit; with momentum the ball rolls over them, and noise shakes it out of them."};
  static constexpr auto kMinima =
      places(Place{0, 0, 0}, Place{1.1601247181657336, 0, 0.14600802952925182},
             Place{-1.1601247181657336, 0, 0.14600802952925182}, Place{0, 1.1601247181657336, 0.14600802952925182},
             Place{0, -1.1601247181657336, 0.14600802952925182});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    return X(0.1) * (squared(x) + squared(y) + (2 - cos(5 * x) - cos(5 * y)));
  }
};

// Rosenbrock 1960, "An automatic method for finding the greatest or least value of a function".
struct Rosenbrock {
  static constexpr Landscape kAbout = {
      "rosenbrock",
      "Rosenbrock's valley",
      "(1 - x)^2 + 100 (y - x^2)^2",
      {-2, 2, -1, 3},
      {-1.2, 1},
      "The bent valley is found at once, but along its almost flat floor every rule is slow.",
      true};
  static constexpr auto kMinima = places(Place{1, 1, 0});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    return squared(1 - x) + 100 * squared(y - squared(x));
  }
};

// Beale 1958, "On an iterative method for finding a local minimum of a function of more than one variable".
struct Beale {
  static constexpr Landscape kAbout = {
      "beale",
      "Beale's function",
      "(3/2 - x + x y)^2 + (9/4 - x + x y^2)^2 + (21/8 - x + x y^3)^2",
      {-4.5, 4.5, -4.5, 4.5},
      {-1, 2},
      "Flat in the middle and steep at the corners: gradients differ a thousandfold along one path.",
      true};
  static constexpr auto kMinima = places(Place{3, 0.5, 0});
  static constexpr auto kSaddles = places(Place{0, 1, 14.203125});
  template <class X>
  FL_FN static X f(X x, X y) {
    const X y2 = squared(y);
    return squared(X(1.5) - x + x * y) + squared(X(2.25) - x + x * y2) + squared(X(2.625) - x + x * (y2 * y));
  }
};

// Branin 1972; its letters are those of Dixon & Szego 1978: b = 5.1 / (4 pi^2), c = 5 / pi, t = 1 / (8 pi).
struct Branin {
  static constexpr Landscape kAbout = {
      "branin",
      "Branin's function",
      "(y - b x^2 + c x - 6)^2 + 10 (1 - t) cos x + 10",
      {-5, 10, 0, 15},
      {2, 10},
      "Three minima of the same depth: where you start, and how far a step goes, decides which one you reach.",
      true};
  static constexpr auto kMinima =
      places(Place{-3.141592653589793, 12.275, 0.39788735772973834},
             Place{3.141592653589793, 2.275, 0.39788735772973834}, Place{9.42477796076938, 2.475, 0.39788735772973834});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    const X b = X(0.12918450914398066), c = X(1.5915494309189535), t = X(0.039788735772973836);
    return squared(y - b * squared(x) + c * x - 6) + 10 * (1 - t) * cos(x) + 10;
  }
};

// Himmelblau 1972, "Applied nonlinear programming".
struct Himmelblau {
  static constexpr Landscape kAbout = {
      "himmelblau",
      "Himmelblau's function",
      "(x^2 + y - 11)^2 + (x + y^2 - 7)^2",
      {-5, 5, -5, 5},
      {0.2, -0.5},
      "Four minima of the same depth around a hill: move the start a little and the path ends elsewhere.",
      true};
  static constexpr auto kMinima =
      places(Place{3, 2, 0}, Place{-2.8051180869527449, 3.131312518250573, 0},
             Place{-3.779310253377747, -3.2831859912861694, 0}, Place{3.5844283403304917, -1.8481265269644036, 0});
  static constexpr auto kSaddles = places(Place{-3.0730257507643896, -0.081353044287967512, 104.01516291755811},
                                          Place{0.086677504555396352, 2.8842547011747761, 67.719150087526141},
                                          Place{3.3851541836070209, 0.073851879837749288, 13.31192627040559},
                                          Place{-0.12796134673068007, -1.9537149802445764, 178.33723920192746});
  template <class X>
  FL_FN static X f(X x, X y) {
    return squared(squared(x) + y - 11) + squared(x + squared(y) - 7);
  }
};

// Rastrigin 1974; 2 pi rounded once.
struct Rastrigin {
  static constexpr Landscape kAbout = {
      "rastrigin",
      "Rastrigin's function",
      "20 + x^2 + y^2 - 10 (cos 2 pi x + cos 2 pi y)",
      {-5.12, 5.12, -5.12, 5.12},
      {-3.3, 2.4},
      "A hundred pits, deeper than what lies between them: no rule finds the lowest one from everywhere."};
  static constexpr auto kMinima = places(Place{0, 0, 0});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    const X w = X(6.283185307179586);
    return 20 + squared(x) + squared(y) - 10 * (cos(w * x) + cos(w * y));
  }
};

// Ackley 1987, "A connectionist machine for genetic hillclimbing". The root's derivative at zero counts as zero.
struct Ackley {
  static constexpr Landscape kAbout = {
      "ackley",
      "Ackley's function",
      "20 + e - 20 exp(-sqrt((x^2 + y^2) / 2) / 5) - exp((cos 2 pi x + cos 2 pi y) / 2)",
      {-5, 5, -5, 5},
      {-3.4, 2.3},
      "An almost flat rim full of pits around one deep funnel with a tip: momentum gets there, small steps do not."};
  static constexpr auto kMinima = places(Place{0, 0, 0});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    const X w = X(6.283185307179586), s = X(0.5) * (squared(x) + squared(y));
    const auto at_tip = s == X(0);
    const X radius = select(at_tip, X(0), sqrt(select(at_tip, X(1), s)));
    return 20 * (1 - exp(X(-0.2) * radius)) + (exp(X(1)) - exp(X(0.5) * (cos(w * x) + cos(w * y))));
  }
};

struct Camel {
  static constexpr Landscape kAbout = {"camel",
                                       "Three-hump camel",
                                       "2 x^2 - 21/20 x^4 + x^6 / 6 + x y + y^2",
                                       {-2.2, 2.2, -2.2, 2.2},
                                       {-1.9, 1.6},
                                       "Two side valleys catch small steps; the middle one is lower."};
  static constexpr auto kMinima =
      places(Place{0, 0, 0}, Place{1.7475523458302889, -0.87377617291514445, 0.29863844223685982},
             Place{-1.7475523458302889, 0.87377617291514445, 0.29863844223685982});
  static constexpr auto kSaddles = places(Place{1.0705422918236600, -0.53527114591182999, 0.87736155776314018},
                                          Place{-1.0705422918236600, 0.53527114591182999, 0.87736155776314018});
  template <class X>
  FL_FN static X f(X x, X y) {
    const X x2 = squared(x);
    return x2 * (2 - x2 * (X(1.05) - x2 / 6)) + x * y + squared(y);
  }
};

struct Booth {
  static constexpr Landscape kAbout = {
      "booth",
      "Booth's function",
      "(x + 2 y - 7)^2 + (2 x + y - 5)^2",
      {-10, 10, -10, 10},
      {-8, -4},
      "A ravine that lies across the axes: rules with a rate for each axis gain little from it."};
  static constexpr auto kMinima = places(Place{1, 3, 0});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    return squared(x + 2 * y - 7) + squared(2 * x + y - 5);
  }
};

// Styblinski & Tang 1990, "Experiments in nonconvex optimization".
struct StyblinskiTang {
  static constexpr Landscape kAbout = {
      "styblinski_tang",
      "Styblinski and Tang's function",
      "(x^4 - 16 x^2 + 5 x + y^4 - 16 y^2 + 5 y) / 2",
      {-5, 5, -5, 5},
      {0.5, 1.5},
      "Four wells of different depth: the lowest lies behind a hill from most starts."};
  static constexpr auto kMinima = places(Place{-2.9035340277711771, -2.9035340277711771, -78.332331407542831},
                                         Place{2.746802770990837, -2.9035340277711771, -64.195612359055358},
                                         Place{-2.9035340277711771, 2.746802770990837, -64.195612359055358},
                                         Place{2.746802770990837, 2.746802770990837, -50.058893310567885});
  static constexpr auto kSaddles = places(Place{0.1567312567803401, -2.9035340277711771, -38.970553344715757},
                                          Place{-2.9035340277711771, 0.1567312567803401, -38.970553344715757},
                                          Place{0.1567312567803401, 2.746802770990837, -24.833834296228585},
                                          Place{2.746802770990837, 0.1567312567803401, -24.833834296228585});
  template <class X>
  FL_FN static X half(X x) {
    const X x2 = squared(x);
    return X(0.5) * (x2 * (x2 - 16) + 5 * x);
  }
  template <class X>
  FL_FN static X f(X x, X y) {
    return half(x) + half(y);
  }
};

// Goldstein & Price 1971, "On descent from local minima".
struct GoldsteinPrice {
  static constexpr Landscape kAbout = {
      "goldstein_price",
      "Goldstein and Price's function",
      "(1 + (x + y + 1)^2 (19 - 14 x + 3 x^2 - 14 y + 6 x y + 3 y^2)) (30 + (2 x - 3 y)^2 (18 - 32 x + 12 x^2 + 48 y - "
      "36 x y + 27 y^2))",
      {-2, 2, -2, 2},
      {-1.2, 0.6},
      "Values span six orders of magnitude: a learning rate that suits one place is wrong everywhere else.",
      true};
  static constexpr auto kMinima =
      places(Place{0, -1, 3}, Place{-0.6, -0.4, 30}, Place{1.8, 0.2, 84}, Place{1.2, 0.8, 840});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X y) {
    const X x2 = squared(x), y2 = squared(y), xy = x * y;
    const X a = 1 + squared(x + y + 1) * (19 - 14 * x + 3 * x2 - 14 * y + 6 * xy + 3 * y2);
    const X b = 30 + squared(2 * x - 3 * y) * (18 - 32 * x + 12 * x2 + 48 * y - 36 * xy + 27 * y2);
    return a * b;
  }
};

struct Hill {
  static constexpr Landscape kAbout = {
      "hill",
      "Hill between two valleys",
      "(x^2 - 4)^2 / 8 + x / 2",
      {-3.5, 3.5, -1, 1},
      {1, 0},
      "The start decides: right of the hill's top, descent ends in the higher of the two valleys.",
      false,
      1};
  static constexpr auto kMinima =
      places(Place{-2.1149075414767558, 0, -1.0295072825514112}, Place{1.8608058531117034, 0, 0.9665029834295016});
  static constexpr auto kSaddles = places();
  template <class X>
  FL_FN static X f(X x, X) {
    return X(0.125) * squared(squared(x) - 4) + X(0.5) * x;
  }
};

// clang-format off
#define FL_LANDSCAPES(X) \
  X(Bowl) X(Ravine) X(Saddle) X(MonkeySaddle) X(Plateau) X(Cliff) X(TwoWells) X(Bumpy) X(Rosenbrock) X(Beale) \
  X(Branin) X(Himmelblau) X(Rastrigin) X(Ackley) X(Camel) X(Booth) X(StyblinskiTang) X(GoldsteinPrice) X(Hill)
// clang-format on
