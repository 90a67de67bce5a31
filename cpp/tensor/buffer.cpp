// Who owns the memory of an array, and has it been written since?
#include "tensor/buffer.h"

#include <new>
#include <vector>

namespace fallline {
namespace {

constexpr size_t kAlignment = 64;

void* system_allocate(size_t bytes) { return ::operator new(bytes, std::align_val_t(kAlignment)); }
void system_free(void* data) { ::operator delete(data, std::align_val_t(kAlignment)); }

// Freed blocks by size class: four classes per power of two, so at most a fifth of a block is wasted. A block may be
// freed by another thread than the one that allocated it; it then enters that thread's cache.
class BlockCache {
 public:
  static constexpr int kClasses = 4 * 40;
  static constexpr size_t kMaxCachedBytes = size_t(32) << 20;

  static size_t round_up(size_t bytes, int& index) {
    if (bytes < 64) bytes = 64;
    int power = 6;
    while ((size_t(1) << (power + 1)) <= bytes) ++power;
    const size_t base = size_t(1) << power, quarter = base / 4;
    const size_t steps = (bytes - base + quarter - 1) / quarter;
    index = 4 * (power - 6) + static_cast<int>(steps);
    return base + steps * quarter;
  }

  void* take(size_t bytes) {
    int index;
    const size_t size = round_up(bytes, index);
    if (index < kClasses && !free_[index].empty()) {
      void* data = free_[index].back();
      free_[index].pop_back();
      cached_ -= size;
      return data;
    }
    return system_allocate(size);
  }

  void give(void* data, size_t bytes) {
    int index;
    const size_t size = round_up(bytes, index);
    if (index >= kClasses || cached_ + size > kMaxCachedBytes) return system_free(data);
    free_[index].push_back(data);
    cached_ += size;
  }

  ~BlockCache() {
    for (auto& blocks : free_)
      for (void* data : blocks) system_free(data);
    alive() = false;
  }
  static bool& alive() {
    thread_local bool value = true;
    return value;
  }

 private:
  std::vector<void*> free_[kClasses];
  size_t cached_ = 0;
};

// Null once the thread's cache has been destroyed: Python objects may be freed later than that.
BlockCache* cache() {
  if (!BlockCache::alive()) return nullptr;
  thread_local BlockCache value;
  return &value;
}

}  // namespace

std::shared_ptr<Buffer> Buffer::allocate(size_t bytes) {
  BlockCache* blocks = cache();
  int index;
  void* data = blocks ? blocks->take(bytes) : system_allocate(BlockCache::round_up(bytes, index));
  return std::make_shared<Buffer>(data, bytes, true, nullptr, nullptr);
}

std::shared_ptr<Buffer> Buffer::borrow(void* data, size_t bytes, bool writable, void* owner, Release release) {
  return std::make_shared<Buffer>(data, bytes, writable, owner, release);
}

Buffer::~Buffer() {
  if (release_) {
    release_(owner_);
  } else if (BlockCache* blocks = cache()) {
    blocks->give(data_, bytes_);
  } else {
    system_free(data_);
  }
}

}  // namespace fallline
