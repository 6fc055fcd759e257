// libdorabooth_cuda.so as the program opens it; no driver is needed to look at its table.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "kernels/adapter_core.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::cuda_object_kernels_test {
namespace {

class CudaObject : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(path_)) GTEST_SKIP() << "this is a CPU build";
  }

  const std::filesystem::path path_ = binary_dir() / "libdorabooth_cuda.so";
};

TEST_F(CudaObject, HasEveryEntryOfItsTableForThisVersionAlone) {
  void* handle = dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(handle, nullptr) << dlerror();
  const auto table =
      reinterpret_cast<decltype(&dorabooth_cuda_core)>(dlsym(handle, "dorabooth_cuda_core"));
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table(kAdapterCoreVersion - 1), nullptr);
  EXPECT_EQ(table(kAdapterCoreVersion + 1), nullptr);
  const AdapterCore* core = table(kAdapterCoreVersion);
  ASSERT_NE(core, nullptr) << "the object was built for another version of the core";
  EXPECT_STREQ(core->name, "cuda");
  static_assert(sizeof(AdapterCore) % sizeof(void*) == 0);
  void* entries[sizeof(AdapterCore) / sizeof(void*)];
  std::memcpy(entries, core, sizeof(AdapterCore));
  std::set<void*> different;
  for (size_t i = 0; i < std::size(entries); ++i) {
    ASSERT_NE(entries[i], nullptr) << "entry " << i;
    EXPECT_TRUE(different.insert(entries[i]).second) << "entry " << i << " stands there twice";
    // Inside an object that is open here.
    Dl_info place{};
    EXPECT_NE(dladdr(entries[i], &place), 0) << "entry " << i;
    EXPECT_TRUE(std::filesystem::equivalent(place.dli_fname, path_)) << place.dli_fname;
  }
}

// A code for one architecture in a fat binary: machine code, or PTX that a driver translates.
using Code = std::pair<std::string, uint32_t>;

template <typename T>
T value_at(const std::string& bytes, size_t at) {
  T value{};
  if (at + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// The containers that nvcc leaves in an object, one a source file: a header of magic number,
// version, its size and the size of what follows; then entries with kind, header size, data size
// and, at byte 28, the architecture.
std::vector<std::set<Code>> fat_binaries(const std::string& bytes) {
  const std::string magic("\x50\xed\x55\xba", 4);
  std::vector<std::set<Code>> found;
  for (size_t at = bytes.find(magic); at != std::string::npos; at = bytes.find(magic, at + 4)) {
    size_t entry = at + value_at<uint16_t>(bytes, at + 6);
    const size_t end = entry + value_at<uint64_t>(bytes, at + 8);
    std::set<Code> codes;
    while (entry < end && end <= bytes.size()) {
      const bool is_ptx = value_at<uint16_t>(bytes, entry) == 1;
      codes.insert({is_ptx ? "PTX" : "code", value_at<uint32_t>(bytes, entry + 28)});
      const uint64_t size =
          value_at<uint32_t>(bytes, entry + 4) + value_at<uint64_t>(bytes, entry + 8);
      if (size == 0) break;
      entry += size;
    }
    if (!codes.empty()) found.push_back(codes);
  }
  return found;
}

TEST_F(CudaObject, HoldsCodeForEveryArchitectureAndPtx) {
  std::ifstream file(path_, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const std::set<Code> want = {{"code", 80}, {"code", 86},  {"code", 89},
                               {"code", 90}, {"code", 120}, {"PTX", 120}};
  const std::vector<std::set<Code>> found = fat_binaries(bytes);
  const auto sources = static_cast<size_t>(
      std::count_if(std::filesystem::directory_iterator(source_dir() / "kernels"), {},
                    [](const auto& entry) { return entry.path().extension() == ".cu"; }));
  EXPECT_EQ(found.size(), sources);
  for (const std::set<Code>& codes : found) EXPECT_EQ(codes, want);
}

}  // namespace
}  // namespace dorabooth::testing::cuda_object_kernels_test
