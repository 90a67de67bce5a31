// What does descent move on?  A landscape that may itself move, or the loss of a line, of all points or of batches.
#ifndef FALLLINE_TRAIN_TERRAIN_H_
#define FALLLINE_TRAIN_TERRAIN_H_

#include <cstdint>

#include "train/landscape.h"
#include "train/line.h"

namespace fallline {

// The value, and the derivatives by x and by y.
using Gradient = void (*)(double x, double y, double* out);
// The numbers below n in an order that belongs to (seed, epoch).
using Shuffle = void (*)(uint64_t seed, int64_t epoch, int64_t n, int64_t* rows);

struct Terrain {
  Gradient gradient;  // null: the line
  double shift[2];    // how far it moves with every step
  Line line;
  int64_t batch;  // how many points a step takes; 0: all of them
  uint64_t seed;
  Shuffle shuffle;
  int64_t* rows;       // room for a number per point
  int64_t epoch = -1;  // whose order is in there

  bool whole() const { return gradient || batch == 0; }
  // After t steps: of everything, and of the points whose turn it is.
  void value(int64_t t, const double* w, double* out) const {
    const double at = static_cast<double>(t), x = w[0] - at * shift[0], y = w[1] - at * shift[1];
    if (gradient) return gradient(x, y, out);
    line_loss(line, nullptr, line.points, x, y, out);
  }
  void batch_value(int64_t t, const double* w, double* out) {
    if (whole()) return value(t, w, out);
    const int64_t steps = (line.points + batch - 1) / batch, first = t % steps * batch;
    if (t / steps != epoch) shuffle(seed, epoch = t / steps, line.points, rows);
    const int64_t count = first + batch < line.points ? batch : line.points - first;
    const double at = static_cast<double>(t);
    line_loss(line, rows + first, count, w[0] - at * shift[0], w[1] - at * shift[1], out);
  }
};

}  // namespace fallline

#endif  // FALLLINE_TRAIN_TERRAIN_H_
