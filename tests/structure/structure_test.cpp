// Who may include whom: kernels <- src <- datasets <- pipelines <- ui, and inside src the layers of
// the table below; no torch header reachable from a request or from ui/.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/fixtures.h"

namespace dorabooth::testing::structure_test {
namespace {

namespace fs = std::filesystem;

bool starts_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

struct SourceFile {
  std::vector<std::string> quoted;  // #include "…"
  std::vector<std::string> angled;  // #include <…>
  std::string first_line;
  size_t lines = 0;
};

// Path from the repository's root ("src/nn/linear.h") → file, for .h, .cpp, .cu and .cuh files
// under kernels, src, datasets, pipelines, ui and tests.
using SourceTree = std::map<std::string, SourceFile>;

SourceFile read_source(const fs::path& path) {
  static const std::regex include(R"re(^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>).*)re");
  SourceFile file;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line); ++file.lines) {
    if (file.lines == 0) file.first_line = line;
    std::smatch match;
    if (line.find("include") == std::string::npos || !std::regex_match(line, match, include))
      continue;
    if (match[1].matched) file.quoted.push_back(match[1]);
    if (match[2].matched) file.angled.push_back(match[2]);
  }
  return file;
}

void visit(const SourceTree& tree, const std::string& path, const std::string& chain,
           std::set<std::string>& seen, std::vector<std::string>& outside) {
  const auto entry = tree.find(path);
  if (entry == tree.end() || !seen.insert(path).second) return;
  for (const std::string& name : entry->second.angled) outside.push_back(chain + " > " + name);
  for (const std::string& name : entry->second.quoted)
    visit(tree, name, chain + " > " + name, seen, outside);
}

SourceTree read_source_tree(const fs::path& root) {
  static const std::set<std::string> kinds = {".h", ".cpp", ".cu", ".cuh"};
  SourceTree tree;
  for (const char* folder : {"kernels", "src", "datasets", "pipelines", "ui", "tests"}) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.is_regular_file() && kinds.count(entry.path().extension().string()) > 0)
        tree[fs::relative(entry.path(), root).generic_string()] = read_source(entry.path());
    }
  }
  return tree;
}

std::vector<std::string> reachable_outside(const SourceTree& tree, const std::string& path) {
  std::set<std::string> seen;
  std::vector<std::string> outside;
  visit(tree, path, path, seen, outside);
  return outside;
}

const SourceTree& tree() {
  static const SourceTree files = read_source_tree(source_dir());
  return files;
}

// "src/nn/linear.h" -> "src/nn"; "kernels/cpu/x.cpp" -> "kernels".
std::string module_of(const std::string& path) {
  const size_t first = path.find('/');
  const std::string top = path.substr(0, first);
  if (top != "src" && top != "ui") return top;
  return path.substr(0, path.find('/', first + 1));
}

// Layers from the bottom; modules of one layer do not include each other.
const std::vector<std::vector<std::string>>& layers() {
  static const std::vector<std::vector<std::string>> value = {
      {"kernels"},
      {"src/base"},
      {"src/config"},
      {"src/tensorfile", "src/tokenizers", "src/imagefile", "src/report"},
      {"src/device"},
      {"src/ops"},
      {"src/nn", "src/optimizer", "src/scheduler", "src/quant"},
      {"src/adapter", "src/unet", "src/clip", "src/vae", "src/objective"},
      {"src/model"},
      {"datasets"},
      {"pipelines"},
      {"ui/cli", "ui/desktop"},
  };
  return value;
}

// -1 for a module that stands in no layer.
int layer_of(const std::string& module) {
  for (size_t i = 0; i < layers().size(); ++i) {
    const auto& members = layers()[i];
    if (std::find(members.begin(), members.end(), module) != members.end())
      return static_cast<int>(i);
  }
  return -1;
}

bool is_torch_header(const std::string& name) {
  for (const char* start : {"torch/", "ATen/", "c10/", "caffe2/"}) {
    if (starts_with(name, start)) return true;
  }
  return false;
}

bool is_header(const std::string& path) { return path.substr(path.size() - 2) == ".h"; }

bool is_first_party(const std::string& path) { return !starts_with(path, "tests/"); }

TEST(Structure, ReadsIncludeLines) {
  ASSERT_TRUE(tree().count("src/config/field_list.h"));
  const auto& angled = tree().at("src/config/field_list.h").angled;
  EXPECT_NE(std::find(angled.begin(), angled.end(), "vector"), angled.end());
  EXPECT_GT(tree().size(), 100u);
}

TEST(Structure, IncludesPointDownTheLayers) {
  for (const auto& [path, file] : tree()) {
    if (!is_first_party(path)) continue;
    const std::string from = module_of(path);
    ASSERT_GE(layer_of(from), 0) << path << " stands in no layer";
    for (const std::string& include : file.quoted) {
      const std::string to = module_of(include);
      if (to == from || layer_of(to) < 0) continue;
      EXPECT_LT(layer_of(to), layer_of(from)) << path << " includes " << include;
    }
  }
}

TEST(Structure, QuotedIncludesAreWrittenFromTheRoot) {
  for (const auto& [path, file] : tree()) {
    for (const std::string& include : file.quoted) {
      const bool generated = include.size() > 5 && include.substr(include.size() - 5) == ".pb.h";
      EXPECT_TRUE(generated || tree().count(include)) << path << " includes " << include;
    }
  }
}

bool is_in_folder(const std::string& path, const std::string& folder) {
  return starts_with(path, folder) && path.find('/', folder.size()) == std::string::npos;
}

// pipelines/*.h are the use cases; what they are made of lies in pipelines/parts/ and may name
// tensors, so the user interfaces do not see it.
TEST(Structure, NoTorchHeaderIsReachableFromPipelinesOrUi) {
  size_t checked = 0;
  for (const auto& [path, file] : tree()) {
    const bool is_use_case = is_in_folder(path, "pipelines/") && is_header(path);
    if (!is_use_case && !starts_with(path, "ui/")) continue;
    ++checked;
    for (const std::string& chain : reachable_outside(tree(), path)) {
      const std::string header = chain.substr(chain.rfind(" > ") + 3);
      EXPECT_FALSE(is_torch_header(header)) << chain;
    }
    for (const std::string& include : file.quoted)
      EXPECT_FALSE(starts_with(include, "pipelines/parts/")) << path << " includes " << include;
  }
  EXPECT_GE(checked, 30u);
}

TEST(Structure, KernelsAndTorchFreeLayersIncludeNoTorchHeader) {
  for (const auto& [path, file] : tree()) {
    if (!is_first_party(path) || layer_of(module_of(path)) >= layer_of("src/device")) continue;
    for (const std::string& include : file.angled)
      EXPECT_FALSE(is_torch_header(include)) << path << " includes " << include;
  }
}

TEST(Structure, KernelsKnowNoJson) {
  for (const auto& [path, file] : tree()) {
    if (module_of(path) != "kernels") continue;
    for (const std::string& include : file.angled)
      EXPECT_FALSE(starts_with(include, "nlohmann/")) << path;
  }
}

TEST(Structure, HeadersNeverIncludeAllOfTorch) {
  for (const auto& [path, file] : tree()) {
    if (!is_header(path)) continue;
    for (const std::string& include : file.angled) EXPECT_NE(include, "torch/torch.h") << path;
  }
}

// ui/desktop: what decides knows no ImGui, what draws cannot change the state or start work, and
// the window library is seen by the shell alone.
TEST(Structure, DesktopDecidesDrawsAndOpensWindowsInDifferentPlaces) {
  const std::set<std::string> drawing_at_top = {"desk", "layout", "menu", "theme"};
  int views = 0;
  for (const auto& [path, file] : tree()) {
    if (!starts_with(path, "ui/desktop/")) continue;
    const bool in_shell = starts_with(path, "ui/desktop/shell/");
    const bool draws =
        starts_with(path, "ui/desktop/views/") || starts_with(path, "ui/desktop/widgets/");
    const bool decides = !in_shell && !draws && drawing_at_top.count(fs::path(path).stem()) == 0;
    for (const std::string& include : file.angled) {
      EXPECT_FALSE(decides && (starts_with(include, "im"))) << path << " includes " << include;
      EXPECT_FALSE(!in_shell && starts_with(include, "GL")) << path << " includes " << include;
    }
    for (const std::string& include : file.quoted) {
      EXPECT_FALSE(!in_shell && starts_with(include, "ui/desktop/shell/"))
          << path << " includes " << include;
      const bool acts = starts_with(include, "ui/desktop/reduce") ||
                        starts_with(include, "ui/desktop/effect") || include == "pipelines/job.h";
      EXPECT_FALSE(draws && acts) << path << " includes " << include;
    }
    if (draws) ++views;
  }
  EXPECT_GE(views, 10);
}

TEST(Structure, FilesHaveAtMostFiveHundredLines) {
  for (const auto& [path, file] : tree()) EXPECT_LE(file.lines, 500u) << path;
}

TEST(Structure, EveryFileOpensWithAComment) {
  for (const auto& [path, file] : tree()) {
    // A .cpp may leave the word to the header that it implements or tests.
    const bool opens_with_its_header =
        !is_header(path) && starts_with(file.first_line, "#include \"");
    EXPECT_TRUE(starts_with(file.first_line, "//") || opens_with_its_header)
        << path << ": " << file.first_line;
  }
}

TEST(Structure, NoFileIsCalledByAWordThatSaysNothing) {
  for (const auto& [path, file] : tree()) {
    const std::string stem = std::filesystem::path(path).stem().string();
    for (const char* word : {"util", "utils", "helper", "helpers", "manager", "common", "misc"})
      EXPECT_NE(stem, word) << path;
  }
}

}  // namespace
}  // namespace dorabooth::testing::structure_test
