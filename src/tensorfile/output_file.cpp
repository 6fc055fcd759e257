// Consecutive bytes gather in a stage, whose whole blocks are written with O_DIRECT; the ends of
// what is not consecutive go through the page cache. A block has either all its bytes in the stage
// or none of them directly written, so that the two ways never meet in one block.
#include "src/tensorfile/output_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kBlock = 4096;  // no disk wants a coarser place or length
constexpr uint64_t kStage = 1 << 20;
constexpr uint64_t kTransfer = 4 << 20;  // mapped at a time: it counts as this program's memory
constexpr uint64_t kLeastTransfer = 64 << 10;

uint64_t block_begin(uint64_t position) { return position / kBlock * kBlock; }
uint64_t block_end(uint64_t position) { return block_begin(position + kBlock - 1); }

}  // namespace

OutputFile::OutputFile(const fs::path& path, uint64_t size, uint64_t least_direct)
    : path_(path), size_(size) {
  create();
  reserve();
  stage_.reset(static_cast<std::byte*>(std::aligned_alloc(kBlock, kStage)));
  if (!stage_) give_up(ENOMEM);
  if (size_ >= least_direct) {
    direct_fd_ = ::open(temporary_.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC);
  }
}

OutputFile::~OutputFile() { discard(); }

void OutputFile::discard() {
  for (int* fd : {&fd_, &direct_fd_}) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void OutputFile::give_up(int code) {
  discard();
  fail("cannot write ", path_.string(), " (", bytes_text(size_), "): ", std::strerror(code));
}

void OutputFile::create() {
  if (fs::is_directory(path_)) fail("cannot write ", path_.string(), ": it is a folder");
  std::error_code error;
  if (path_.has_parent_path()) fs::create_directories(path_.parent_path(), error);
  if (error) fail("cannot create ", path_.parent_path().string(), ": ", error.message());
  // Asked first, because some file systems fill up before a reservation fails.
  require_disk_space(fs::absolute(path_).parent_path(), size_, path_.string());
  for (int attempt = 0; fd_ < 0; ++attempt) {
    temporary_ = path_;
    temporary_ += concat(".tmp", ::getpid(), ".", attempt);
    fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno != EEXIST) {
      const int code = errno;
      temporary_.clear();
      give_up(code);
    }
  }
}

void OutputFile::reserve() {
  int result = -1;
  do {
    result = ::fallocate(fd_, 0, 0, static_cast<off_t>(size_));
  } while (result != 0 && errno == EINTR);
  // File systems without reservation report a full disk at the write instead.
  if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS) give_up(errno);
}

// Where bytes for `position` may be put: some room, no more than the stage has.
std::span<std::byte> OutputFile::room_at(uint64_t position) {
  if (position != staged_at_ + staged_) {
    flush();
    staged_at_ = position;
  }
  if (staged_at_ % kBlock + staged_ == kStage) spill();
  const uint64_t begin = staged_at_ % kBlock + staged_;
  return {stage_.get() + begin, kStage - begin};
}

void OutputFile::took(size_t count) { staged_ += count; }

// Writes all whole blocks; what is left begins at a block's begin, or is less than a block.
void OutputFile::spill() {
  const uint64_t end = staged_at_ + staged_;
  const uint64_t first = block_end(staged_at_);
  const uint64_t last = block_begin(end);
  if (first >= last) return;
  const std::byte* blocks = stage_.get() + (first - block_begin(staged_at_));
  if (first > staged_at_) {
    write_all(fd_, staged_at_, {stage_.get() + staged_at_ % kBlock, first - staged_at_});
  }
  write_blocks(first, {blocks, last - first});
  std::memmove(stage_.get(), blocks + (last - first), end - last);
  staged_at_ = last;
  staged_ = end - last;
}

void OutputFile::flush() {
  spill();
  if (staged_ > 0) write_all(fd_, staged_at_, {stage_.get() + staged_at_ % kBlock, staged_});
  staged_at_ += staged_;
  staged_ = 0;
}

void OutputFile::write_all(int fd, uint64_t position, std::span<const std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(position + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) give_up(n < 0 ? errno : ENOSPC);
    done += static_cast<size_t>(n);
  }
}

void OutputFile::write_blocks(uint64_t position, std::span<const std::byte> bytes) {
  if (transfer_blocks(position, bytes.data(), bytes.size())) return;
  // Some file systems open a file that way and refuse it here.
  if (direct_fd_ >= 0) ::close(direct_fd_);
  direct_fd_ = -1;
  write_all(fd_, position, bytes);
}

// False where the direct way is none, or refuses this.
bool OutputFile::transfer_blocks(uint64_t position, const std::byte* bytes, uint64_t count) {
  uint64_t done = 0;
  while (done < count) {
    if (direct_fd_ < 0) return false;
    const ssize_t n =
        ::pwrite(direct_fd_, bytes + done, count - done, static_cast<off_t>(position + done));
    if (n < 0 && errno == EINTR) continue;
    // EFAULT: the mapped file became shorter, which a read reports better.
    if (n < 0 && (errno == EINVAL || errno == EOPNOTSUPP || errno == EFAULT)) return false;
    if (n <= 0) give_up(n < 0 ? errno : ENOSPC);
    if (static_cast<uint64_t>(n) < kBlock) return false;
    done += block_begin(static_cast<uint64_t>(n));
  }
  return true;
}

void OutputFile::write(uint64_t position, std::span<const std::byte> bytes) {
  const uint64_t head = std::min<uint64_t>(bytes.size(), block_end(position) - position);
  const uint64_t blocks = block_begin(bytes.size() - head);
  const auto address = reinterpret_cast<uintptr_t>(bytes.data()) + head;
  if (direct_fd_ >= 0 && blocks >= kLeastTransfer && address % kMemoryStep == 0) {
    stage(position, bytes.first(head));
    flush();
    write_blocks(position + head, bytes.subspan(head, blocks));
    bytes = bytes.subspan(head + blocks);
    staged_at_ = position += head + blocks;
  }
  stage(position, bytes);
}

void OutputFile::stage(uint64_t position, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::span<std::byte> room = room_at(position);
    const size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    took(count);
    position += count;
    bytes = bytes.subspan(count);
  }
}

void OutputFile::copy(uint64_t position, const FileBytes& from) {
  const auto through_stage = [&](uint64_t first, uint64_t last) {
    while (first < last) {
      std::span<std::byte> room = room_at(position + first);
      room = room.first(std::min<uint64_t>(room.size(), last - first));
      from.read(first, room);
      took(room.size());
      first += room.size();
    }
  };
  const uint64_t head = std::min(from.count, block_end(position) - position);
  through_stage(0, head);
  const uint64_t blocks = copy_blocks(position, from, head);
  through_stage(head + blocks, from.count);
}

uint64_t OutputFile::copy_blocks(uint64_t position, const FileBytes& from, uint64_t first) {
  const uint64_t count = block_begin(from.count - first);
  const auto address = reinterpret_cast<uintptr_t>(from.mapped) + first;
  if (count < kLeastTransfer) return 0;
  const bool alike = (from.position + first) % kBlock == 0;
  const bool transfers =
      direct_fd_ >= 0 && transfers_mapped_ && from.mapped && address % kMemoryStep == 0;
  if (!(alike && shares_blocks_) && !transfers) return 0;
  flush();
  uint64_t done = 0;
  if (alike && share_blocks(position + first, from, first, count)) {
    done = count;
  } else if (transfers) {
    done = pass_blocks(position + first, from.fd, from.position + first, count);
    while (done < count) {
      const uint64_t piece = std::min(kTransfer, count - done);
      std::byte* const bytes = const_cast<std::byte*>(from.mapped) + first + done;
      // madvise takes whole pages. Where it fails, the transfer finds the pages one by one.
      const uint64_t before = reinterpret_cast<uintptr_t>(bytes) % kBlock;
      ::madvise(bytes - before, piece + before, MADV_POPULATE_READ);
      transfers_mapped_ = transfer_blocks(position + first + done, bytes, piece);
      ::madvise(bytes - before, piece + before, MADV_DONTNEED);
      if (!transfers_mapped_) break;
      done += piece;
    }
  }
  staged_at_ = position + first + done;
  return done;
}

// The same blocks of the disk for both files, until one of them is written: Btrfs, XFS and others.
bool OutputFile::share_blocks(uint64_t position, const FileBytes& from, uint64_t first,
                              uint64_t count) {
  if (!shares_blocks_) return false;
  file_clone_range range = {};
  range.src_fd = from.fd;
  range.src_offset = from.position + first;
  range.src_length = count;
  range.dest_offset = position;
  // Refused where the file system has no such thing, or the files lie on two.
  shares_blocks_ = ::ioctl(fd_, FICLONERANGE, &range) == 0;
  return shares_blocks_;
}

// The source's pages in the page cache go to the disk as they are, by way of a pipe, which holds no
// more than references to them. Cheaper than a mapping, whose pages must be found one by one. Ends
// early where that is refused, and then is not tried again.
uint64_t OutputFile::pass_blocks(uint64_t position, int fd, uint64_t from, uint64_t count) {
  uint64_t done = 0;
  auto in = static_cast<loff_t>(from);
  auto out = static_cast<loff_t>(position);
  while (done < count && pipe_.open()) {
    const uint64_t piece = std::min(pipe_.room(), count - done);
    // Never waits for room in the pipe; a short transfer is gone on with, so that pieces stay whole
    // blocks.
    for (uint64_t held = 0; held < piece;) {
      const ssize_t n =
          ::splice(fd, &in, pipe_.entrance(), nullptr, piece - held, SPLICE_F_NONBLOCK);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return pipe_.give_up(), done;
      held += static_cast<uint64_t>(n);
    }
    for (uint64_t left = piece; left > 0;) {
      const ssize_t n = ::splice(pipe_.exit(), nullptr, direct_fd_, &out, left, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == ENOSPC) give_up(errno);
      if (n <= 0) return pipe_.give_up(), done;
      left -= static_cast<uint64_t>(n);
    }
    done += piece;
  }
  return done;
}

bool OutputFile::Pipe::open() {
  if (refused_ || ends_[0] >= 0) return !refused_;
  if (::pipe2(ends_, O_CLOEXEC) != 0) {
    ends_[0] = ends_[1] = -1;
    refused_ = true;
    return false;
  }
  ::fcntl(ends_[1], F_SETPIPE_SZ, static_cast<int>(kStage));
  const int size = ::fcntl(ends_[1], F_GETPIPE_SZ);
  // Bytes that begin inside a page take one page more.
  room_ = size > 0 ? block_begin(static_cast<uint64_t>(size)) - kBlock : 0;
  if (room_ < kBlock) give_up();
  return !refused_;
}

void OutputFile::Pipe::give_up() {
  for (int& end : ends_) {
    if (end >= 0) ::close(end);
    end = -1;
  }
  refused_ = true;
}

void OutputFile::finish() {
  flush();
  if (::fsync(fd_) != 0) give_up(errno);
  if (direct_fd_ >= 0) ::close(direct_fd_);
  direct_fd_ = -1;
  const int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0) give_up(errno);
  publish(temporary_, path_);
  temporary_.clear();
}

}  // namespace dorabooth
