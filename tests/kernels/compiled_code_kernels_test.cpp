// What nvcc makes of the kernels: no register spills, and 128-bit loads in the memory-bound ones.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/support/fixtures.h"

namespace dorabooth::testing::compiled_code_kernels_test {
namespace {

namespace fs = std::filesystem;

std::string run_command(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "";
  std::string output;
  char buffer[4096];
  while (const size_t n = fread(buffer, 1, sizeof(buffer), pipe)) output.append(buffer, n);
  return pclose(pipe) == 0 ? output : "failed: " + output;
}

std::string nvcc() {
  for (const char* path : {"/usr/local/cuda/bin/nvcc", "/usr/bin/nvcc"}) {
    if (fs::exists(path)) return path;
  }
  return "";
}

// nvdisasm of the toolkit, or the one that DORABOOTH_NVDISASM names (PyPI: nvidia-cuda-nvdisasm).
std::string nvdisasm() {
  const char* named = std::getenv("DORABOOTH_NVDISASM");
  for (const std::string path : {named == nullptr ? "" : named, "/usr/local/cuda/bin/nvdisasm"}) {
    if (!path.empty() && fs::exists(path)) return path;
  }
  return "";
}

class CompiledKernels : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (nvcc().empty()) GTEST_SKIP() << "there is no nvcc on this machine";
    const fs::path source = source_dir() / "kernels" / (GetParam() + ".cu");
    const std::string folder = folder_.path().string();
    // One architecture: spills depend on registers a thread, the same on all that are built for.
    const std::string disassembler = nvdisasm();
    report_ = run_command(nvcc() + " -std=c++17 -arch=sm_90 -cubin -Xptxas -v --keep --keep-dir " +
                          folder + " -I" + source_dir().string() + " -o " + folder + "/k.cubin " +
                          source.string());
    std::ifstream file(folder_.path() / (GetParam() + ".ptx"));
    std::stringstream text;
    text << file.rdbuf();
    ptx_ = text.str();
    if (!disassembler.empty()) sass_ = run_command(disassembler + " -c " + folder + "/k.cubin");
  }

  TemporaryFolder folder_;
  std::string report_;
  std::string ptx_;
  std::string sass_;  // empty without a disassembler
};

TEST_P(CompiledKernels, SpillNoRegister) {
  ASSERT_NE(report_.find("Compiling entry function"), std::string::npos) << report_;
  static const std::regex spills("([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads");
  for (std::sregex_iterator match(report_.begin(), report_.end(), spills), end; match != end;
       ++match) {
    EXPECT_EQ((*match)[1].str(), "0") << report_;
    EXPECT_EQ((*match)[2].str(), "0") << report_;
  }
}

// The part of the PTX that is the kernel whose mangled name holds `name`.
std::string entry(const std::string& ptx, const std::string& name) {
  size_t at = 0;
  while ((at = ptx.find(".entry ", at)) != std::string::npos) {
    const size_t end = ptx.find("\n}", at);
    const std::string body = ptx.substr(at, end - at);
    if (body.substr(0, body.find('(')).find(name) != std::string::npos) return body;
    at = end;
  }
  return "";
}

// The machine code of the kernel whose mangled name holds `name`.
std::string sass_of(const std::string& sass, const std::string& name) {
  size_t at = 0;
  while ((at = sass.find(".section\t.text.", at)) != std::string::npos) {
    const size_t end = sass.find(".section", at + 1);
    const std::string body = sass.substr(at, end - at);
    if (body.substr(0, body.find('\n')).find(name) != std::string::npos) return body;
    at += 1;
  }
  return "";
}

// ptxas turns a 16-byte ld.global into one LDG.128: seen in the PTX, and in the machine code where
// there is a disassembler.
TEST_P(CompiledKernels, LoadAndStore128BitsAtOnce) {
  static const std::map<std::string, std::vector<std::string>> memory_bound = {
      {"norms", {"square_sum_rows_kernelILi8E"}},
      {"compose",
       {"compose_forward_kernelILi8E", "compose_factor_kernelILi8E",
        "compose_backward_kernelILi8E"}},
      {"low_rank", {"narrow_product_kernelILi8E"}},
      {"adapter_backward", {"gradient_parts_kernelILi8E"}},
      {"merge", {"merge_rows_kernelILi8E"}},
      {"optimizer", {"adamw_kernelILi4E", "square_sums_kernelILi4E", "scale_kernelILi4E"}},
      {"dropout", {}},
      {"nf4", {"nf4_quantize_kernelILi8E", "nf4_dequantize_kernelILb1E"}},
  };
  static const std::regex wide(
      "ld\\.global(\\.nc)?\\.v4\\.[bufs]32|ld\\.global(\\.nc)?\\.v2\\.[bufs]64");
  for (const std::string& name : memory_bound.at(GetParam())) {
    const std::string body = entry(ptx_, name);
    ASSERT_FALSE(body.empty()) << name;
    EXPECT_TRUE(std::regex_search(body, wide)) << name;
    if (sass_.empty()) continue;
    const std::string code = sass_of(sass_, name);
    ASSERT_FALSE(code.empty()) << name;
    EXPECT_NE(code.find("LDG.E.128"), std::string::npos) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, CompiledKernels,
                         ::testing::Values("norms", "compose", "low_rank", "adapter_backward",
                                           "merge", "optimizer", "dropout", "nf4"));

}  // namespace
}  // namespace dorabooth::testing::compiled_code_kernels_test
