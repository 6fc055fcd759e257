// Bytes written and copied in any order and at any place arrive the same by every way that the file
// system leaves open: past the page cache, from a mapping, through the stage. Refusals are real
// ones, by a seccomp filter in a child process.
#include "src/tensorfile/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <random>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tensorfile/safetensors.h"
#include "tests/support/fixtures.h"

namespace dorabooth::output_file_test {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kAlways = 0;  // past the page cache, however small

std::string random_bytes(size_t size, unsigned seed) {
  std::mt19937_64 engine(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(engine());
  return bytes;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// A file that is there, as a reader holds it.
class Source {
 public:
  explicit Source(const fs::path& path) : text_(read_file(path)) {
    fd_ = ::open(path.c_str(), O_RDONLY);
    mapping_ = ::mmap(nullptr, text_.size(), PROT_READ, MAP_PRIVATE, fd_, 0);
  }
  ~Source() {
    ::munmap(mapping_, text_.size());
    ::close(fd_);
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  FileBytes bytes(uint64_t first, uint64_t count) const {
    FileBytes bytes;
    bytes.fd = fd_;
    bytes.position = first;
    bytes.count = count;
    bytes.mapped = static_cast<const std::byte*>(mapping_) + first;
    bytes.read = [this, first](uint64_t offset, std::span<std::byte> out) {
      std::memcpy(out.data(), text_.data() + first + offset, out.size());
    };
    return bytes;
  }

 private:
  std::string text_;
  int fd_ = -1;
  void* mapping_ = nullptr;
};

// System calls of this number whose argument `index` equals `value`, or has all of its bits, fail
// with `error` from here to the end of the process.
void refuse(long number, unsigned index, uint32_t value, bool bits, int error) {
  const auto argument = static_cast<uint32_t>(offsetof(seccomp_data, args) + 8 * index);
  const auto compare = static_cast<uint16_t>(BPF_JMP | BPF_K | (bits ? BPF_JSET : BPF_JEQ));
  sock_filter code[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, static_cast<uint32_t>(number)},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, argument},
      {compare, 0, 1, value},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog program = {std::size(code), code};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0) << std::strerror(errno);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0) << std::strerror(errno);
}

// The descriptor that was opened with O_DIRECT, or −1.
int direct_descriptor() {
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename().string());
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_DIRECT)) return fd;
  }
  return -1;
}

void in_child(const std::function<void()>& body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0) << std::strerror(errno);
  if (child == 0) {
    body();
    std::cout.flush();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  EXPECT_TRUE(WIFEXITED(state) && WEXITSTATUS(state) == 0) << "the failures above are the child's";
}

class OutputFileTest : public ::testing::Test {
 protected:
  void SetUp() override { write_file_atomically(source_path_, source_); }

  // Pieces of every kind: small, large, with and without the source's place in a block.
  void fill(OutputFile& file) {
    const Source source(source_path_);
    const auto write = [&](size_t first, size_t last) {
      file.write(first, bytes_of(expected_).subspan(first, last - first));
    };
    const auto copy = [&](uint64_t to, uint64_t from, uint64_t count) {
      file.copy(to, source.bytes(from, count));
      expected_.replace(to, count, source_, from, count);
    };
    write(0, 1000);
    copy(1000, 1000, 3'000'000);            // alike to a block
    copy(3'001'000, 3'001'512, 1'500'000);  // alike to a sector
    copy(4'501'000, 77, 700'001);           // not alike
    write(5'201'001, 5'201'002);
    write_alike(file, 6'000'000, kSize);  // a gap, which comes last
    copy(5'201'002, 5'201'002, 6'000'000 - 5'201'002);
    file.finish();
  }

  // From memory that lies as the file does.
  void write_alike(OutputFile& file, uint64_t first, uint64_t last) const {
    constexpr uint64_t kStep = SafetensorsWriter::kMemoryStep;
    std::vector<std::byte> memory(last - first + kStep);
    const uint64_t before = reinterpret_cast<uintptr_t>(memory.data()) % kStep;
    const std::span<std::byte> place =
        std::span(memory).subspan((first + kStep - before) % kStep, last - first);
    std::ranges::copy(bytes_of(expected_).subspan(first, last - first), place.begin());
    file.write(first, place);
  }

  void expect_the_bytes() {
    ASSERT_EQ(fs::file_size(path_), kSize);
    const std::string got = read_file(path_);
    const auto differs = std::mismatch(got.begin(), got.end(), expected_.begin());
    EXPECT_EQ(differs.first - got.begin(), static_cast<std::ptrdiff_t>(kSize))
        << "is the first place that differs";
  }

  static constexpr size_t kSize = 7'654'321;
  testing::TemporaryFolder folder_;
  fs::path source_path_ = folder_.path() / "source";
  fs::path path_ = folder_.path() / "output";
  std::string source_ = random_bytes(kSize, 1);
  std::string expected_ = random_bytes(kSize, 2);
};

TEST_F(OutputFileTest, BytesArriveThroughThePageCache) {
  OutputFile file(path_, kSize, SafetensorsWriter::kLeastDirect);
  EXPECT_EQ(direct_descriptor(), -1);
  fill(file);
  expect_the_bytes();
}

TEST_F(OutputFileTest, BytesArrivePastThePageCache) {
  OutputFile file(path_, kSize, kAlways);
  fill(file);
  expect_the_bytes();
}

TEST_F(OutputFileTest, PastThePageCacheNoPageOfALargeFileStaysThere) {
  struct statfs system = {};
  ASSERT_EQ(statfs(folder_.path().c_str(), &system), 0);
  if (system.f_type == TMPFS_MAGIC) GTEST_SKIP() << "this folder is nothing but page cache";
  OutputFile file(path_, kSize, kAlways);
  if (direct_descriptor() < 0) GTEST_SKIP() << "this file system has no other way";
  fill(file);
  const int fd = ::open(path_.c_str(), O_RDONLY);
  void* const mapping = ::mmap(nullptr, kSize, PROT_READ, MAP_PRIVATE, fd, 0);
  std::vector<unsigned char> resident(kSize / 4096 + 1);
  ASSERT_EQ(::mincore(mapping, kSize, resident.data()), 0);
  ::munmap(mapping, kSize);
  ::close(fd);
  const auto pages = std::count_if(resident.begin(), resident.end(), [](auto p) { return p & 1; });
  EXPECT_LT(pages, static_cast<std::ptrdiff_t>(resident.size()) / 10);
}

TEST_F(OutputFileTest, BytesArriveWhereTheDirectWayCannotBeOpened) {
  in_child([&] {
    refuse(SYS_openat, 2, O_DIRECT, /*bits=*/true, EINVAL);
    OutputFile file(path_, kSize, kAlways);
    EXPECT_EQ(direct_descriptor(), -1);
    fill(file);
    expect_the_bytes();
  });
}

TEST_F(OutputFileTest, BytesArriveWhereTheDirectWayOpensAndRefusesToWrite) {
  in_child([&] {
    OutputFile file(path_, kSize, kAlways);
    const int fd = direct_descriptor();
    if (fd < 0) return;
    refuse(SYS_pwrite64, 0, static_cast<uint32_t>(fd), /*bits=*/false, EINVAL);
    fill(file);
    expect_the_bytes();
  });
}

TEST_F(OutputFileTest, BytesArriveWhereBlocksCannotBeShared) {
  for (const int error : {EXDEV, EINVAL, EOPNOTSUPP, ENOSYS, ENOTTY}) {
    SCOPED_TRACE(std::strerror(error));
    in_child([&] {
      refuse(SYS_ioctl, 1, static_cast<uint32_t>(FICLONERANGE), /*bits=*/false, error);
      OutputFile file(path_, kSize, kAlways);
      fill(file);
      expect_the_bytes();
    });
  }
}

TEST_F(OutputFileTest, BytesArriveWherePagesCannotBePassedIntoAPipe) {
  in_child([&] {
    refuse(SYS_splice, 5, SPLICE_F_NONBLOCK, /*bits=*/true, EINVAL);
    OutputFile file(path_, kSize, kAlways);
    fill(file);
    expect_the_bytes();
  });
}

TEST_F(OutputFileTest, BytesArriveWherePagesCannotBePassedOutOfAPipe) {
  in_child([&] {
    refuse(SYS_splice, 5, 0, /*bits=*/false, EINVAL);
    OutputFile file(path_, kSize, kAlways);
    fill(file);
    expect_the_bytes();
  });
}

TEST_F(OutputFileTest, BytesArriveWhereThereCanBeNoPipe) {
  in_child([&] {
    refuse(SYS_pipe2, 1, O_CLOEXEC, /*bits=*/true, EMFILE);
    OutputFile file(path_, kSize, kAlways);
    fill(file);
    expect_the_bytes();
  });
}

TEST_F(OutputFileTest, BytesArriveFromAnotherFileSystem) {
  const fs::path other = "/dev/shm";
  if (!fs::is_directory(other)) GTEST_SKIP() << "no second file system";
  source_path_ = other / concat("output_file_test.", ::getpid());
  write_file_atomically(source_path_, source_);
  OutputFile file(path_, kSize, kAlways);
  fill(file);
  fs::remove(source_path_);
  expect_the_bytes();
}

TEST_F(OutputFileTest, AFullDiskIsSaidAndNothingIsLeft) {
  in_child([&] {
    OutputFile file(path_, kSize, kAlways);
    const int fd = direct_descriptor();
    if (fd < 0) return;
    refuse(SYS_pwrite64, 0, static_cast<uint32_t>(fd), /*bits=*/false, ENOSPC);
    EXPECT_NE(testing::message_of([&] { fill(file); }).find("No space left"), std::string::npos);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 1) << "only the source";
  });
}

TEST_F(OutputFileTest, ADiskThatFillsWhilePagesPassIsSaid) {
  in_child([&] {
    OutputFile file(path_, kSize, kAlways);
    if (direct_descriptor() < 0) return;
    refuse(SYS_splice, 5, 0, /*bits=*/false, ENOSPC);
    EXPECT_NE(testing::message_of([&] { fill(file); }).find("No space left"), std::string::npos);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 1) << "only the source";
  });
}

TEST_F(OutputFileTest, AMappedFileThatBecameShorterIsReportedByItsReader) {
  OutputFile file(path_, kSize, kAlways);
  const Source source(source_path_);
  FileBytes bytes = source.bytes(0, kSize);
  bytes.read = [](uint64_t, std::span<std::byte>) { fail("became shorter"); };
  fs::resize_file(source_path_, 4096);
  EXPECT_EQ(testing::message_of([&] { file.copy(0, bytes); }), "became shorter");
}

}  // namespace
}  // namespace dorabooth::output_file_test
