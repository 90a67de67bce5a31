// The engine of the page: rules and landscapes in WebAssembly, from the library's own formula files.
//
// engine.js is its only caller and says what is in memory where. Nothing here allocates or throws: all numbers come and
// go through one room. Points, losses and gradients have the bits of `fallline.landscapes.path`.
#include <cmath>
#include <iterator>

#include "optim/schedule.h"
#include "wasm/fma.h"
#include "wasm/path.h"

#define FL_EXPORT(name) extern "C" __attribute__((export_name(#name), visibility("default")))

// Every std::fma of the formulas comes here (the linker's --wrap). Where nothing depends on the last digit, such as the
// colours of a landscape, it may be rounded twice.
static bool fuse = true;
extern "C" double __real_fma(double a, double b, double c);
extern "C" double __wrap_fma(double a, double b, double c) {
  using fallline::wasm::moderate;
  if (!fuse) return a * b + c;
  if (moderate(a) && moderate(b) && moderate(c)) return fallline::wasm::fused(a, b, c);
  return __real_fma(a, b, c);
}

using namespace fallline;
using namespace fallline::wasm;

// A place for so many numbers, the same at every call: it holds until the next one.
extern "C" unsigned char __heap_base;
FL_EXPORT(room) double* room(int numbers) {
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(&__heap_base) + 15) / 16 * 16;
  const size_t pages = (begin + static_cast<size_t>(numbers) * sizeof(double) + 65535) / 65536;
  const size_t have = __builtin_wasm_memory_size(0);
  if (pages > have && __builtin_wasm_memory_grow(0, pages - have) == static_cast<size_t>(-1)) return nullptr;
  return reinterpret_cast<double*>(begin);
}

FL_EXPORT(rule_count) int rules() { return static_cast<int>(std::size(kRules)); }
FL_EXPORT(rule_name) const char* rule_name(int i) { return kRules[i].name; }
FL_EXPORT(rule_type) const char* rule_type(int i) { return kRules[i].type; }
FL_EXPORT(slot_count) int slot_count(int i) { return kRules[i].slot_count; }
FL_EXPORT(slot_name) const char* slot_name(int i, int j) { return kRules[i].slots[j].name; }
FL_EXPORT(slot_values) int slot_values(int i, int j) { return static_cast<int>(kRules[i].slots[j].values); }
FL_EXPORT(hyper_count) int hyper_count(int i) { return kRules[i].hyper_count; }
FL_EXPORT(hyper_name) const char* hyper_name(int i, int j) { return kRules[i].hypers[j].name; }
FL_EXPORT(hyper_value) double hyper_value(int i, int j) { return kRules[i].hypers[j].value; }
FL_EXPORT(hyper_range) int hyper_range(int i, int j) { return static_cast<int>(kRules[i].hypers[j].range); }

FL_EXPORT(landscape_count) int landscape_count() { return static_cast<int>(std::size(landscapes::kLandscapes)); }
FL_EXPORT(landscape_text) const char* landscape_text(int i, int which) {
  const Landscape& about = *landscapes::kLandscapes[i].about;
  const char* const texts[] = {about.name, about.title, about.formula, about.teaches};
  return texts[which];
}
FL_EXPORT(landscape_number) double landscape_number(int i, int which) {
  const Landscape& about = *landscapes::kLandscapes[i].about;
  if (which < 4) return about.domain[which];
  if (which < 6) return about.start[which - 4];
  return which == 6 ? about.logarithmic : about.dimensions;
}
FL_EXPORT(place_count) int place_count(int i, int saddles) {
  return static_cast<int>(landscapes::kLandscapes[i].counts[saddles]);
}
FL_EXPORT(place_number) double place_number(int i, int saddles, int j, int which) {
  return landscapes::kLandscapes[i].places[saddles][j][static_cast<size_t>(which)];
}

static const schedules::Number& number_of(int i, int j) { return schedules::schedule(i).numbers[j]; }
static const char* or_empty(const char* text) { return text ? text : ""; }
FL_EXPORT(schedule_count) int schedule_count() { return schedules::schedule_count(); }
FL_EXPORT(schedule_name) const char* schedule_name(int i) { return schedules::schedule(i).name; }
FL_EXPORT(schedule_marks) const char* schedule_marks(int i) { return or_empty(schedules::schedule(i).marks); }
FL_EXPORT(schedule_parts) const char* schedule_parts(int i) { return or_empty(schedules::schedule(i).parts); }
FL_EXPORT(schedule_numbers) int schedule_numbers(int i) { return schedules::schedule(i).number_count; }
FL_EXPORT(number_name) const char* number_name(int i, int j) { return number_of(i, j).name; }
FL_EXPORT(number_value) double number_value(int i, int j) { return number_of(i, j).value; }
FL_EXPORT(number_kind) int number_kind(int i, int j) { return number_of(i, j).kind; }
FL_EXPORT(number_words) const char* number_words(int i, int j) { return or_empty(number_of(i, j).words); }
// Of the first steps, with so many of them in an epoch.
FL_EXPORT(schedule_values) void schedule_values(const double* tree, double epoch, int steps, double* out) {
  const double clock[] = {0, 0, epoch};
  schedules::Setting setting;
  setting.clock.rows = clock;
  setting.clock.row_count = 1;
  for (int t = 0; t < steps; ++t) out[t] = schedules::schedule_value(tree, setting, t);
}

// f, df/dx, df/dy.
FL_EXPORT(gradient) void gradient(int i, double x, double y, double* out) {
  landscapes::kLandscapes[i].gradient(x, y, out);
}
FL_EXPORT(line_gradient)
void line_gradient(const double* x, const double* y, int points, int absolute, double slope, double intercept,
                   double* out) {
  line_loss({x, y, points, absolute != 0}, nullptr, points, slope, intercept, out);
}

// Values on a grid, for colours: sums of products may be rounded twice in them.
FL_EXPORT(grid)
void grid(int i, double x0, double x1, double y0, double y1, int nx, int ny, double* out) {
  fuse = false;
  for (int row = 0; row < ny; ++row) {
    const double y = y0 + row * (y1 - y0) / (ny - 1);
    for (int column = 0; column < nx; ++column)
      *out++ = landscapes::kLandscapes[i].value(x0 + column * (x1 - x0) / (nx - 1), y);
  }
  fuse = true;
}

FL_EXPORT(normals) void normals(uint32_t high, uint32_t low, uint32_t counter, int n, double* out) {
  for (int i = 0; i < n; ++i) out[i] = normal<double>(uint64_t{high} << 32 | low, counter, i);
}
FL_EXPORT(uniforms) void uniforms(uint32_t high, uint32_t low, uint32_t counter, int n, double* out) {
  for (int i = 0; i < n; ++i) out[i] = uniform<double>(uint64_t{high} << 32 | low, counter, i);
}
FL_EXPORT(order) void order(uint32_t high, uint32_t low, uint32_t epoch, int n, int64_t* rows) {
  shuffle(uint64_t{high} << 32 | low, epoch, n, rows);
}
FL_EXPORT(fused) double fused_once(double a, double b, double c) { return std::fma(a, b, c); }

// In `out`: points, losses, used gradients, raw ones, where they were taken, slots. `rows` has a place for each point
// of a line.
FL_EXPORT(path)
void path(const Wanted* wanted, double* hypers, const double* x, const double* y, int64_t* rows, double* out) {
  const size_t n = static_cast<size_t>(wanted->steps);
  Record to{};
  to.points = reinterpret_cast<Two*>(out);
  to.losses = out + 2 * (n + 1);
  to.used = reinterpret_cast<Two*>(to.losses + (n + 1));
  to.raw = to.used + n;
  to.ahead = to.raw + n;
  to.slots = to.ahead + n;
  mode = {wanted->single != 0, 0};
  const Gradient on =
      wanted->points > 0 ? nullptr : landscapes::kLandscapes[static_cast<int>(wanted->landscape)].gradient;
  const Terrain terrain{on,
                        {wanted->shift_x, wanted->shift_y},
                        {x, y, static_cast<int64_t>(wanted->points), wanted->absolute != 0},
                        static_cast<int64_t>(wanted->batch),
                        seed_of(wanted->seed_high, wanted->seed_low),
                        &shuffle,
                        rows};
  Walk(*wanted, hypers, terrain).run(to);
}
