// Which call made the first number that is not finite?
#include "record/source.h"

#include <atomic>
#include <cmath>

#include "ops/move.h"

namespace fallline {
namespace {

std::atomic<bool> checks{false};
std::atomic<CallSite (*)()> finder{nullptr};
thread_local CallSite origin;

struct Found {
  bool nan = false, infinity = false;
};
Found look(const Array* const* arrays, int count) {
  Found found;
  for (int i = 0; i < count; ++i) {
    if (!is_float(arrays[i]->dtype) || !arrays[i]->data) continue;
    const Array x = contiguous(*arrays[i]);
    visit(x.dtype, [&](auto tag) {
      using T = typename decltype(tag)::Type;
      if constexpr (std::is_floating_point_v<T>) {
        for (int64_t k = 0, n = x.size(); k < n; ++k) {
          found.nan |= std::isnan(x.as<T>()[k]);
          found.infinity |= std::isinf(x.as<T>()[k]);
        }
      }
    });
  }
  return found;
}

std::string listed(const Array* const* arrays, int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += (i ? ", " : "") + std::string(name_of(arrays[i]->dtype)) + " " + to_string(arrays[i]->shape);
  return text;
}

}  // namespace

bool checking() { return checks.load(std::memory_order_relaxed); }
void set_checking(bool check) { checks.store(check); }
void set_finder(CallSite (*find)()) { finder.store(find); }

CallSite source_of_call() {
  if (!checking()) return nullptr;
  if (origin) return origin;
  const auto find = finder.load();
  return find ? find() : nullptr;
}

Origin::Origin(const char* name, const CallSite& source) : before_(origin) {
  if (source) origin = std::make_shared<const std::string>("the derivative of " + std::string(name) + " at " + *source);
}
Origin::Origin(const CallSite& source) : before_(origin) {
  if (source) origin = source;
}
Origin::~Origin() { origin = before_; }

void check_made(const char* name, const Array* const* in, int count, const Array* const* out, int outs,
                const CallSite& source) {
  const Found made = look(out, outs);
  if (!made.nan && !made.infinity) return;
  const Found given = look(in, count);
  if (given.nan || (given.infinity && !made.nan)) return;
  throw NonFiniteError("[debug_nans] " + std::string(name) + " made " + (made.nan ? "NaN" : "an infinity") + " in " +
                       listed(out, outs) + " from " + listed(in, count) + (source ? ", called at " + *source : ""));
}

}  // namespace fallline
