#include "optim/schedule.h"

#include <type_traits>

#include "optim/coef.h"
#include "simd/scalar.h"

#define FL_FN inline

namespace fallline {

namespace ref {
#include "simd/math.inc.h"
}

namespace schedules {

// Our own functions, not the C library's: the same bits on every machine, and in WebAssembly.
namespace {
using Lane = ref::Pack<double>;
double cos(double x) { return ref::cos(Lane(x)).v; }
double exp(double x) { return ref::exp(Lane(x)).v; }
double pow(double x, double y) { return ref::pow(Lane(x), Lane(y)).v; }
using std::floor;
using std::sqrt;

#include "optim/schedule.inc.h"

// A formula file says only what a schedule has: the rest is null.
template <class S, class = void>
struct Marks {
  static constexpr const char* kName = nullptr;
};
template <class S>
struct Marks<S, std::void_t<decltype(S::kMarks)>> {
  static constexpr const char* kName = S::kMarks;
};
template <class S, class = void>
struct Parts {
  static constexpr const char* kName = nullptr;
  static constexpr double (*kBegin)(const Node&, int) = nullptr;
  static constexpr double (*kEnd)(const Node&) = &S::end;
};
template <class S>
struct Parts<S, std::void_t<decltype(S::kParts)>> {
  static constexpr const char* kName = S::kParts;
  static constexpr double (*kBegin)(const Node&, int) = &S::begin;
  static constexpr double (*kEnd)(const Node&) = nullptr;
};

#define FL_ROW(S)                                                                                                      \
  {S::kName,       S::kNumbers.data(), static_cast<int>(S::kNumbers.size()), Marks<S>::kName, Parts<S>::kName, &S::at, \
   Parts<S>::kEnd, Parts<S>::kBegin},
constexpr Schedule kSchedules[] = {FL_SCHEDULES(FL_ROW)};
#undef FL_ROW

// Where a batch lies: in which epoch, and how many batches of how many are over.
struct Place {
  double epoch, done, length;
};

Place place(const Clock& clock, double batch) {
  const double* row = clock.rows;
  for (int r = 1; r < clock.row_count && clock.rows[3 * r] <= batch; ++r) row = clock.rows + 3 * r;
  const double past = batch - row[0], epochs = std::floor(past / row[2]);
  return {row[1] + epochs, past - epochs * row[2], row[2]};
}

// Opens a tree: `numbers` takes its own, with those filled in that were left open.
Node open(const double* tree, const Setting& setting, const Moment& moment, double* numbers) {
  const Schedule& row = schedule(static_cast<int>(tree[1]));
  const bool in_epochs = tree[2] != 0;
  const int mark_count = static_cast<int>(tree[3]), part_count = static_cast<int>(tree[4]);
  const double* given = tree + 5;
  const Clock& clock = setting.clock;
  const double* marks = given + row.number_count;
  double left = in_epochs ? clock.epochs(moment.begin, moment.end - 1) + 1 : clock.updates(moment.begin, moment.end);
  for (int i = 0; i < row.number_count; ++i) {
    const bool time = row.numbers[i].kind == Number::kLength || row.numbers[i].kind == Number::kDuration;
    if (time && !std::isnan(given[i])) left -= given[i];
  }
  for (int i = 0; i < row.number_count; ++i) {
    const double least = row.numbers[i].kind == Number::kLength ? 1 : 0;
    numbers[i] = !std::isnan(given[i]) ? given[i] : left < least ? least : left;
  }
  return {&row, in_epochs, numbers, marks, mark_count, part_count, marks + mark_count, &setting, moment};
}

// The batch that lies x after the start, on the schedule's own clock.
double batch_at(const Node& n, double x) {
  return n.in_epochs ? n.setting->clock.after_epochs(n.moment.begin, x)
                     : n.moment.begin + std::ceil(x) * n.setting->clock.every;
}

const double* part_tree(const Node& n, int i) {
  const double* tree = n.parts;
  for (int skipped = 0; skipped < i; ++skipped) tree += static_cast<int>(tree[0]);
  return tree;
}

Moment part_moment(const Node& n, int i) {
  const double begin = batch_at(n, n.row->begin(n, i));
  return {n.moment.now, begin, i + 1 < n.part_count ? batch_at(n, n.row->begin(n, i + 1)) : n.moment.end};
}

double value(const double* tree, const Setting& setting, const Moment& moment) {
  double numbers[kMaxNumbers];
  const Node n = open(tree, setting, moment, numbers);
  const Clock& clock = setting.clock;
  return n.row->at(n, n.in_epochs ? clock.epochs(moment.begin, moment.now) : clock.updates(moment.begin, moment.now));
}

double end_of(const double* tree, const Setting& setting, const Moment& moment) {
  double numbers[kMaxNumbers];
  const Node n = open(tree, setting, moment, numbers);
  if (n.row->end) return batch_at(n, n.row->end(n));
  return end_of(part_tree(n, n.part_count - 1), setting, part_moment(n, n.part_count - 1));
}

}  // namespace

double Clock::updates(double from, double to) const { return std::floor(to / every) - std::floor(from / every); }

double Clock::epochs(double from, double to) const {
  const Place a = place(*this, from), b = place(*this, to);
  return b.epoch - a.epoch - (b.done * a.length < a.done * b.length ? 1 : 0);
}

double Clock::after_epochs(double from, double count) const {
  const Place a = place(*this, from);
  const double epoch = a.epoch + std::ceil(count), *row = rows;
  for (int r = 1; r < row_count && rows[3 * r + 1] <= epoch; ++r) row = rows + 3 * r;
  return row[0] + (epoch - row[1]) * row[2] + std::ceil(a.done * row[2] / a.length);
}

double Node::part(int i) const { return value(part_tree(*this, i), *setting, part_moment(*this, i)); }

double Node::start_of_part(int i) const {
  Moment first = part_moment(*this, i);
  first.now = first.begin;
  return value(part_tree(*this, i), *setting, first);
}

int schedule_count() { return static_cast<int>(sizeof(kSchedules) / sizeof(Schedule)); }

const Schedule& schedule(int index) { return kSchedules[index]; }

double schedule_value(const double* tree, const Setting& setting, double update) {
  return value(tree, setting, {setting.clock.batch_of(update), 0, setting.end});
}

double schedule_end(const double* tree, const Setting& setting) {
  return setting.clock.updates(0, end_of(tree, setting, {0, 0, setting.end}));
}

}  // namespace schedules
}  // namespace fallline
