// Who owns the memory of an array, and has it been written since?
#ifndef FALLLINE_TENSOR_BUFFER_H_
#define FALLLINE_TENSOR_BUFFER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace fallline {

// Memory with one or more views. Own memory is 64-byte aligned; borrowed memory belongs to an owner that is released
// with the buffer. Every write through fallline raises the version, so that backward notices an overwritten value.
class Buffer {
 public:
  using Release = void (*)(void* owner);

  // Uninitialised memory from the calling thread's cache of freed blocks, or from the system.
  static std::shared_ptr<Buffer> allocate(size_t bytes);
  static std::shared_ptr<Buffer> borrow(void* data, size_t bytes, bool writable, void* owner, Release release);

  explicit Buffer(size_t bytes);  // for allocate: the memory follows the object
  Buffer(void* data, size_t bytes, bool writable, void* owner, Release release)
      : data_(data), bytes_(bytes), owner_(owner), release_(release), writable_(writable) {}
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  size_t bytes() const { return bytes_; }
  bool writable() const { return writable_; }
  bool borrowed() const { return release_ != nullptr; }
  void* owner() const { return owner_; }  // null for own memory

  uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void* data_;
  size_t bytes_;
  void* owner_;
  Release release_;
  bool writable_;
  std::atomic<uint32_t> version_{0};
};

}  // namespace fallline

#endif  // FALLLINE_TENSOR_BUFFER_H_
