// A file that appears under its name when it is whole and synced. What it holds goes past the page
// cache where the file system allows it: a model of gigabytes, written once, would push everything
// else out of there, and the kernel's copies cost more time than merging. Internal to tensorfile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>

namespace dorabooth {

// Bytes of another open file.
struct FileBytes {
  int fd = -1;
  uint64_t position = 0;  // in that file
  uint64_t count = 0;
  const std::byte* mapped = nullptr;  // the same bytes in a read-only mapping
  // Reads out.size() bytes from `offset` of these on; throws where it cannot.
  std::function<void(uint64_t offset, std::span<std::byte> out)> read;
};

class OutputFile {
 public:
  // No disk wants a coarser address for what lies in whole blocks.
  static constexpr uint64_t kMemoryStep = 512;

  // Asks for the disk space and reserves it under a temporary name. `least_direct` as
  // SafetensorsWriter has it.
  OutputFile(const std::filesystem::path& path, uint64_t size, uint64_t least_direct);
  // Without finish() nothing is left.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  bool is_open() const { return fd_ >= 0; }

  // Every byte comes once, in any order; cheapest from the first to the last, and many at a time in
  // memory that lies as the file does: address and position alike in units of kMemoryStep.
  void write(uint64_t position, std::span<const std::byte> bytes);
  // The same with bytes of another file, which pass through no buffer of this program where both
  // places are alike to a disk: shared blocks, or a transfer from the mapping to the disk.
  void copy(uint64_t position, const FileBytes& from);
  // Syncs, closes and renames.
  void finish();

 private:
  void create();
  void reserve();
  void discard();
  [[noreturn]] void give_up(int code);

  void stage(uint64_t position, std::span<const std::byte> bytes);
  std::span<std::byte> room_at(uint64_t position);
  void took(size_t count);
  void spill();
  void flush();
  // Of the bytes from `first` on, in whole blocks; how many it has written.
  uint64_t copy_blocks(uint64_t position, const FileBytes& from, uint64_t first);
  uint64_t pass_blocks(uint64_t position, int fd, uint64_t from, uint64_t count);
  bool share_blocks(uint64_t position, const FileBytes& from, uint64_t first, uint64_t count);
  bool transfer_blocks(uint64_t position, const std::byte* bytes, uint64_t count);
  void write_all(int fd, uint64_t position, std::span<const std::byte> bytes);
  void write_blocks(uint64_t position, std::span<const std::byte> bytes);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  uint64_t size_ = 0;
  int fd_ = -1;
  int direct_fd_ = -1;         // past the page cache; absent where the file system has no such way
  bool shares_blocks_ = true;  // these two until the file system says no
  bool transfers_mapped_ = true;

  class Pipe {
   public:
    Pipe() = default;
    ~Pipe() { give_up(); }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    // Makes it where there is none yet; false where there can be none.
    bool open();
    void give_up();
    int entrance() const { return ends_[1]; }
    int exit() const { return ends_[0]; }
    uint64_t room() const { return room_; }  // whole blocks

   private:
    int ends_[2] = {-1, -1};
    bool refused_ = false;
    uint64_t room_ = 0;
  };
  Pipe pipe_;

  // Bytes [staged_at_, staged_at_ + staged_) of the file, not yet written. In memory they lie as
  // they lie in a block of the file.
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte[], Free> stage_;
  uint64_t staged_at_ = 0;
  uint64_t staged_ = 0;
};

}  // namespace dorabooth
