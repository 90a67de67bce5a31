// Who owns the memory of an array, and has it been written since?
#include "tensor/buffer.h"

#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace fallline {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kFront = 2 * kAlignment;  // room for a Buffer, which lies in one block with its memory

constexpr size_t kLarge = size_t(4) << 20;

// In large pages, if the system has them for those who ask: to touch a new block for the first time then takes a fault
// every 2 MB instead of every 4 KB.
void ask_for_large_pages([[maybe_unused]] void* block, [[maybe_unused]] size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(block) + page - 1) / page * page;
  const auto end = (reinterpret_cast<uintptr_t>(block) + bytes) / page * page;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // a wish, which may fail
#endif
}

void* system_allocate(size_t bytes) {
  void* const block = ::operator new(bytes, std::align_val_t(kAlignment));
  if (bytes >= kLarge) ask_for_large_pages(block, bytes);
  return block;
}
void system_free(void* data) { ::operator delete(data, std::align_val_t(kAlignment)); }

// Freed blocks by size class: four classes per power of two, so at most a fifth of a block is wasted. A block may be
// freed by another thread than the one that allocated it; it then enters that thread's cache.
class BlockCache {
 public:
  static constexpr int kClasses = 4 * 40;
  static constexpr size_t kMaxCachedBytes = size_t(32) << 20;

  static size_t round_up(size_t bytes, int& index) {
    bytes = std::max<size_t>((bytes + 63) / 64 * 64, 64);  // whole registers may be written to the end
    int power = 6;
    while ((size_t(1) << (power + 1)) <= bytes) ++power;
    const size_t base = size_t(1) << power, quarter = base / 4;
    const size_t steps = (bytes - base + quarter - 1) / quarter;
    index = 4 * (power - 6) + static_cast<int>(steps);
    return base + steps * quarter;
  }

  // A block has room for `bytes`, and for kFront more.
  void* take(size_t bytes) {
    int index;
    const size_t size = round_up(bytes, index);
    if (index >= kClasses || !free_[index]) return system_allocate(kFront + size);
    Free* const block = free_[index];
    free_[index] = block->next;
    cached_ -= size;
    return block;
  }

  void give(void* block, size_t bytes) {
    int index;
    const size_t size = round_up(bytes, index);
    if (index >= kClasses || cached_ + size > kMaxCachedBytes) return system_free(block);
    free_[index] = new (block) Free{free_[index]};
    cached_ += size;
  }

  ~BlockCache() {
    for (Free* block : free_)
      while (block) system_free(std::exchange(block, block->next));
  }

 private:
  struct Free {  // in the block itself
    Free* next;
  };
  Free* free_[kClasses] = {};
  size_t cached_ = 0;
};

thread_local BlockCache* thread_cache = nullptr;
thread_local bool thread_ends = false;

// Null once the thread's cache has been destroyed: Python objects may be freed later than that.
BlockCache* cache() {
  if (thread_cache || thread_ends) return thread_cache;
  struct Owner {
    BlockCache blocks;
    ~Owner() {
      thread_cache = nullptr;
      thread_ends = true;
    }
  };
  thread_local Owner owner;
  return thread_cache = &owner.blocks;
}

// Puts what std::allocate_shared makes, an object and the counts of its owners, in front of `memory` bytes of its own.
template <class T>
struct ObjectThenMemory {
  using value_type = T;
  size_t memory;

  explicit ObjectThenMemory(size_t bytes) : memory(bytes) {}
  template <class U>
  ObjectThenMemory(const ObjectThenMemory<U>& other) : memory(other.memory) {}
  T* allocate(size_t) {
    static_assert(sizeof(T) <= kFront);
    BlockCache* const blocks = cache();
    return static_cast<T*>(blocks ? blocks->take(memory) : BlockCache().take(memory));
  }
  void deallocate(T* object, size_t) {
    if (BlockCache* const blocks = cache()) return blocks->give(object, memory);
    system_free(object);
  }
  template <class U>
  bool operator==(const ObjectThenMemory<U>&) const {
    return true;
  }
  template <class U>
  bool operator!=(const ObjectThenMemory<U>&) const {
    return false;
  }
};

}  // namespace

std::shared_ptr<Buffer> Buffer::allocate(size_t bytes) {
  return std::allocate_shared<Buffer>(ObjectThenMemory<Buffer>(bytes), bytes);
}

std::shared_ptr<Buffer> Buffer::borrow(void* data, size_t bytes, bool writable, void* owner, Release release) {
  return std::make_shared<Buffer>(data, bytes, writable, owner, release);
}

Buffer::Buffer(size_t bytes) : Buffer(nullptr, bytes, true, nullptr, nullptr) {
  const auto end = reinterpret_cast<uintptr_t>(this + 1);
  data_ = reinterpret_cast<void*>((end + kAlignment - 1) / kAlignment * kAlignment);
}

Buffer::~Buffer() {
  if (release_) release_(owner_);
}

}  // namespace fallline
