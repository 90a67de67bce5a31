// How well does a line fit points?  The loss over slope and intercept, and its gradient, of all points or of some.
#ifndef FALLLINE_TRAIN_LINE_H_
#define FALLLINE_TRAIN_LINE_H_

#include <cmath>
#include <cstdint>

namespace fallline {

struct Line {
  const double *x, *y;
  int64_t points;
  bool absolute;  // the mean of |slope x + intercept - y| instead of its square's
};

// The value, the derivative by the slope and that by the intercept; of the points in `rows` where these are given.
// Points are added one after the other.
inline void line_loss(const Line& line, const int64_t* rows, int64_t count, double slope, double intercept,
                      double* out) {
  double sum = 0, by_slope = 0, by_intercept = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = rows ? rows[i] : i;
    const double error = slope * line.x[row] + intercept - line.y[row];
    const double outer = line.absolute ? static_cast<double>(error > 0) - static_cast<double>(error < 0) : 2 * error;
    sum += line.absolute ? std::abs(error) : error * error;
    by_slope += outer * line.x[row];
    by_intercept += outer;
  }
  const double n = static_cast<double>(count);
  out[0] = sum / n;
  out[1] = by_slope / n;
  out[2] = by_intercept / n;
}

}  // namespace fallline

#endif  // FALLLINE_TRAIN_LINE_H_
