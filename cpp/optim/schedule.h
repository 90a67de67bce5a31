// What is a schedule?  A tree of formulas, on a clock that counts updates or epochs.
//
// This part throws nothing and allocates nothing, so that it compiles to WebAssembly as it is.
#ifndef FALLLINE_OPTIM_SCHEDULE_H_
#define FALLLINE_OPTIM_SCHEDULE_H_

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace fallline {
namespace schedules {

constexpr double kPi = 3.14159265358979323846;
constexpr double kNever = HUGE_VAL;
constexpr int kMaxNumbers = 6;

// A number that a schedule is made of. A share lies between 0 and 1, a growth and a length are at least 1, a duration
// at least 0; a choice is the place of its word. Where `open`, NaN stands for what the other lengths and durations
// leave of the time that the schedule has.
struct Number {
  enum Kind : uint8_t { kAny, kShare, kGrowth, kLength, kDuration, kChoice };
  const char* name;
  double value;  // the default; NaN where there is none
  Kind kind = kAny;
  bool open = false;
  const char* words = nullptr;
};
constexpr Number number(const char* name, double value = NAN) { return {name, value}; }
constexpr Number share(const char* name, double value) { return {name, value, Number::kShare}; }
constexpr Number growth(const char* name, double value) { return {name, value, Number::kGrowth}; }
constexpr Number length(const char* name) { return {name, NAN, Number::kLength}; }
constexpr Number open_length(const char* name) { return {name, NAN, Number::kLength, true}; }
constexpr Number duration(const char* name) { return {name, NAN, Number::kDuration}; }
constexpr Number open_duration(const char* name) { return {name, NAN, Number::kDuration, true}; }
constexpr Number choice(const char* name, const char* words) { return {name, 0, Number::kChoice, false, words}; }

template <class... Numbers>
constexpr std::array<Number, sizeof...(Numbers)> numbers(Numbers... all) {
  return {{all...}};
}

// When epochs begin. Time is counted in batches; an update comes with every `every`-th, and the first epochs may have
// had other lengths: each row is the batch with which an epoch begins, its number, and the batches in each from it on.
struct Clock {
  const double* rows = nullptr;
  int row_count = 0;
  double every = 1;

  double batch_of(double update) const { return every * update + (every - 1); }
  double updates(double from, double to) const;  // made in the batches [from, to)
  double epochs(double from, double to) const;   // the whole ones between two batches
  double after_epochs(double from, double epochs) const;
};

// What a tree is evaluated with. `end` is the number of batches of the whole training, NaN where that is not known:
// what depends on an open length is then NaN. `call` answers for functions of the caller's, by their number.
struct Setting {
  Clock clock;
  double end = NAN;
  double (*call)(void* context, int function, double x) = nullptr;
  void* context = nullptr;
};

// Now, and the batches that a schedule has for itself.
struct Moment {
  double now, begin, end;
};

struct Schedule;

// A schedule within the array of numbers that a whole tree is written as, parts behind the whole:
//   size of all of it, place in the table, whether it counts epochs, marks, parts; its numbers; its marks; its parts.
struct Node {
  const Schedule* row;
  bool in_epochs;
  const double* numbers;
  const double* marks;
  int mark_count, part_count;
  const double* parts;
  const Setting* setting;
  Moment moment;

  int passed(double x) const {  // how many marks
    int i = 0;
    while (i < mark_count && marks[i] <= x) ++i;
    return i;
  }
  double last_mark() const { return mark_count == 0 ? 0 : marks[mark_count - 1]; }
  double part(int i) const;           // its value now
  double start_of_part(int i) const;  // its first value
};

struct Schedule {
  const char* name;
  const Number* numbers;
  int number_count;
  const char* marks;  // their name; null where it has none
  const char* parts;
  double (*at)(const Node& node, double x);
  double (*end)(const Node& node);           // null where it has parts
  double (*begin)(const Node& node, int i);  // when part i begins; null where it has none
};

int schedule_count();
const Schedule& schedule(int index);

// The value of a tree before update number `update`, 0 first.
double schedule_value(const double* tree, const Setting& setting, double update);

// The number of updates after which it stays as it is, kNever where it always changes.
double schedule_end(const double* tree, const Setting& setting);

}  // namespace schedules
}  // namespace fallline

#endif  // FALLLINE_OPTIM_SCHEDULE_H_
