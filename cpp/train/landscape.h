// What does a landscape say about itself, and how is it evaluated?  A function of two parameters to watch descent on.
#ifndef FALLLINE_TRAIN_LANDSCAPE_H_
#define FALLLINE_TRAIN_LANDSCAPE_H_

#include <array>
#include <cstddef>

namespace fallline {

// A point and the value there.
using Place = std::array<double, 3>;

template <class... Places>
constexpr std::array<Place, sizeof...(Places)> places(Places... all) {
  return {{all...}};
}

struct Landscape {
  const char *name, *title, *formula;
  double domain[4];  // x from, to; y from, to: what to draw
  double start[2];   // where descent has something to show
  const char* teaches;
  bool logarithmic = false;  // whether its values span orders of magnitude
  int dimensions = 2;        // 1: it does not depend on y
};

// A row of the table: what the landscape says, and its functions.
struct LandscapeRow {
  const Landscape* about;
  const Place* places[2];  // minima, saddles
  size_t counts[2];
  double (*value)(double x, double y);
  void (*gradient)(double x, double y, double* out);  // the value, the derivatives by x and by y
};

}  // namespace fallline

#endif  // FALLLINE_TRAIN_LANDSCAPE_H_
