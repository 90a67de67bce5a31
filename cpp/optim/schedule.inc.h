// FORMULAS of the schedules, one struct each: its numbers, its value at time x, and when it has come to its end.
//
// Included inside a namespace that supplies cos, exp, floor, pow and sqrt of double; `first` is coef.h's, and Node,
// kPi and the words of the tables are schedule.h's. x counts from the schedule's own start, on its own clock. From
// `end` on nothing changes any more; a schedule with parts ends as its last part does. A new schedule: a struct here
// and its name in FL_SCHEDULES at the end.

// The part of the length that is over: from 0 to 1.
inline double elapsed(double x, double length) {
  x = x / length;
  return x < 0 ? 0 : x < 1 ? x : 1;
}

struct Constant {
  static constexpr const char* kName = "constant";
  static constexpr auto kNumbers = numbers(number("value"));
  static double at(const Node& n, double) { return n.numbers[0]; }
  static double end(const Node&) { return 0; }
};

struct Step {
  static constexpr const char* kName = "step";
  static constexpr auto kNumbers = numbers(number("initial"), length("every"), number("factor", 0.5));
  static double at(const Node& n, double x) {
    const auto [initial, every, factor] = first<3>(n.numbers);
    return initial * pow(factor, floor(x / every));
  }
  static double end(const Node&) { return kNever; }
};

struct MultiStep {
  static constexpr const char* kName = "multi_step";
  static constexpr auto kNumbers = numbers(number("initial"), number("factor", 0.1));
  static constexpr const char* kMarks = "milestones";
  static double at(const Node& n, double x) {
    const auto [initial, factor] = first<2>(n.numbers);
    return initial * pow(factor, n.passed(x));
  }
  static double end(const Node& n) { return n.last_mark(); }
};

// e^(-k t): a factor of gamma per step is the rate -log(gamma).
struct Exponential {
  static constexpr const char* kName = "exponential";
  static constexpr auto kNumbers = numbers(number("initial"), number("rate"));
  static double at(const Node& n, double x) {
    const auto [initial, rate] = first<2>(n.numbers);
    return initial * exp(-rate * x);
  }
  static double end(const Node&) { return kNever; }
};

struct InverseTime {
  static constexpr const char* kName = "inverse_time";
  static constexpr auto kNumbers = numbers(number("initial"), number("rate"));
  static double at(const Node& n, double x) {
    const auto [initial, rate] = first<2>(n.numbers);
    return initial / (1 + rate * x);
  }
  static double end(const Node&) { return kNever; }
};

struct Polynomial {
  static constexpr const char* kName = "polynomial";
  static constexpr auto kNumbers =
      numbers(number("initial"), number("final"), open_length("steps"), number("power", 1));
  static double at(const Node& n, double x) {
    const auto [initial, final, steps, power] = first<4>(n.numbers);
    return (initial - final) * pow(1 - elapsed(x, steps), power) + final;
  }
  static double end(const Node& n) { return n.numbers[2]; }
};

struct Linear {
  static constexpr const char* kName = "linear";
  static constexpr auto kNumbers = numbers(number("initial"), number("final"), open_length("steps"));
  static double at(const Node& n, double x) {
    const auto [initial, final, steps] = first<3>(n.numbers);
    return x >= steps ? final : initial + (final - initial) * (x / steps);
  }
  static double end(const Node& n) { return n.numbers[2]; }
};

// Loshchilov & Hutter 2017, "SGDR", eq. (5), one period.
struct Cosine {
  static constexpr const char* kName = "cosine";
  static constexpr auto kNumbers = numbers(number("initial"), open_length("steps"), number("final", 0));
  static double at(const Node& n, double x) {
    const auto [initial, steps, final] = first<3>(n.numbers);
    return x >= steps ? final : final + (initial - final) * (1 + cos(kPi * x / steps)) / 2;
  }
  static double end(const Node& n) { return n.numbers[1]; }
};

// Loshchilov & Hutter 2017, "SGDR", eq. (5). Period i is growth^i times as long and reaches factor^i times as far above
// `final`, as Keras has it.
struct CosineRestarts {
  static constexpr const char* kName = "cosine_restarts";
  static constexpr auto kNumbers =
      numbers(number("initial"), length("period"), growth("growth", 1), number("factor", 1), number("final", 0));
  static double at(const Node& n, double x) {
    const auto [initial, period, growth, factor, final] = first<5>(n.numbers);
    double i = floor(x / period), length = period, begin = i * period;
    if (growth > 1) {
      for (i = begin = 0; x >= begin + length; ++i, length *= growth) begin += length;
    }
    return final + (initial - final) * pow(factor, i) * (1 + cos(kPi * (x - begin) / length)) / 2;
  }
  static double end(const Node&) { return kNever; }
};

// Smith & Topin 2018, "Super-convergence": up until rise * steps - 1, then down until steps - 1, as PyTorch counts.
struct OneCycle {
  static constexpr const char* kName = "one_cycle";
  static constexpr auto kNumbers =
      numbers(number("peak"), open_length("steps"), share("rise", 0.3), number("initial_factor", 25),
              number("final_factor", 1e4), choice("shape", "cosine linear"));
  static double at(const Node& n, double x) {
    const auto [peak, steps, rise, initial_factor, final_factor, shape] = first<6>(n.numbers);
    const double low = peak / initial_factor, top = rise * steps - 1, last = steps - 1;
    return x < top ? between(low, peak, x / top, shape)
                   : between(peak, low / final_factor, elapsed(x - top, last - top), shape);
  }
  static double between(double a, double b, double share, double shape) {
    return a + (b - a) * (shape == 0 ? (1 - cos(kPi * share)) / 2 : share);
  }
  static double end(const Node& n) { return n.numbers[1] - 1; }
};

// Smith 2017, "Cyclical learning rates for training neural networks", section 3.
struct Cyclic {
  static constexpr const char* kName = "cyclic";
  static constexpr auto kNumbers = numbers(number("low"), number("high"), length("half_period"),
                                           choice("mode", "triangular triangular2 exp_range"), number("gamma", 1));
  static double at(const Node& n, double x) {
    const auto [low, high, half, mode, gamma] = first<5>(n.numbers);
    const double cycle = floor(x / (2 * half)), away = x / half - 2 * cycle - 1;
    const double height = 1 - (away < 0 ? -away : away);
    const double scale = mode == 0 ? 1 : mode == 1 ? pow(0.5, cycle) : pow(gamma, x);
    return low + (high - low) * height * scale;
  }
  static double end(const Node&) { return kNever; }
};

// Hu et al. 2024, "MiniCPM", section 4.2; the square root: Haegele et al. 2024, section 3.
struct WarmupStableDecay {
  static constexpr const char* kName = "wsd";
  static constexpr auto kNumbers = numbers(number("peak"), duration("warmup"), open_duration("stable"), length("decay"),
                                           number("final", 0), choice("shape", "linear cosine sqrt"));
  static double at(const Node& n, double x) {
    const auto [peak, warmup, stable, decay, final, shape] = first<6>(n.numbers);
    if (x < warmup) return peak * (x / warmup);
    const double s = elapsed(x - warmup - stable, decay);
    return final + (peak - final) * (shape == 0 ? 1 - s : shape == 1 ? (1 + cos(kPi * s)) / 2 : 1 - sqrt(s));
  }
  static double end(const Node& n) { return n.numbers[1] + n.numbers[2] + n.numbers[3]; }
};

// From `initial` to where the part starts, which then runs from its own beginning; "exponential" by the same factor in
// every step.
struct Warmup {
  static constexpr const char* kName = "warmup";
  static constexpr auto kNumbers =
      numbers(length("steps"), number("initial", 0), choice("shape", "linear cosine exponential"));
  static constexpr const char* kParts = "after";
  static double begin(const Node& n, int) { return n.numbers[0]; }
  static double at(const Node& n, double x) {
    const auto [steps, initial, shape] = first<3>(n.numbers);
    if (x >= steps) return n.part(0);
    const double peak = n.start_of_part(0), s = x / steps;
    if (shape == 2) return initial * pow(peak / initial, s);
    return initial + (peak - initial) * (shape == 0 ? s : (1 - cos(kPi * s)) / 2);
  }
};

// One part after the other, each from its own beginning.
struct Join {
  static constexpr const char* kName = "join";
  static constexpr auto kNumbers = numbers();
  static constexpr const char* kMarks = "boundaries";
  static constexpr const char* kParts = "schedules";
  static double begin(const Node& n, int i) { return i == 0 ? 0 : n.marks[i - 1]; }
  static double at(const Node& n, double x) { return n.part(n.passed(x)); }
};

// The same with numbers for parts.
struct Piecewise {
  static constexpr const char* kName = "piecewise";
  static constexpr auto kNumbers = numbers();
  static constexpr const char* kMarks = "boundaries";
  static constexpr const char* kParts = "values";
  static double begin(const Node& n, int i) { return Join::begin(n, i); }
  static double at(const Node& n, double x) { return Join::at(n, x); }
};

struct Scale {
  static constexpr const char* kName = "scale";
  static constexpr auto kNumbers = numbers(number("factor"));
  static constexpr const char* kParts = "schedule";
  static double begin(const Node&, int) { return 0; }
  static double at(const Node& n, double) { return n.numbers[0] * n.part(0); }
};

// A function of the caller's, known by its number.
struct Function {
  static constexpr const char* kName = "function";
  static constexpr auto kNumbers = numbers(number("function"));
  static double at(const Node& n, double x) {
    return n.setting->call(n.setting->context, static_cast<int>(n.numbers[0]), x);
  }
  static double end(const Node&) { return kNever; }
};

// clang-format off
#define FL_SCHEDULES(X)                                                                             \
  X(Constant) X(Step) X(MultiStep) X(Piecewise) X(Exponential) X(InverseTime) X(Polynomial) X(Linear) \
  X(Cosine) X(CosineRestarts) X(OneCycle) X(Cyclic) X(Warmup) X(WarmupStableDecay) X(Join) X(Scale)   \
  X(Function)
// clang-format on
