// File names of diffusers and transformers (pipeline_loading_utils: variant file names).
#include "src/model/component_files.h"

#include <algorithm>
#include <set>

#include "src/base/error.h"
#include "src/tensorfile/index.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

std::string file_stem(Component component) {
  const bool text = component == Component::kTextEncoder || component == Component::kTextEncoder2;
  return text ? "model" : "diffusion_pytorch_model";
}

struct Found {
  fs::path path;  // empty: nothing there
  bool is_index = false;
};

Found find_files(const fs::path& folder, Component component, const std::string& variant) {
  const std::string stem = file_stem(component);
  std::vector<Found> candidates;
  if (variant.empty()) {
    candidates = {{stem + ".safetensors", false}, {stem + ".safetensors.index.json", true}};
  } else {
    candidates = {{stem + "." + variant + ".safetensors", false},
                  {stem + ".safetensors.index." + variant + ".json", true},
                  {stem + ".safetensors." + variant + ".index.json", true}};
  }
  for (const Found& candidate : candidates) {
    const fs::path path = folder / candidate.path;
    if (fs::is_regular_file(path)) return {path, candidate.is_index};
  }
  return {};
}

// Variants that the folder has, and whether it has pickles.
struct Contents {
  std::set<std::string> variants;
  bool has_pickles = false;
};

Contents contents_of(const fs::path& folder, const std::string& stem) {
  Contents contents;
  const std::string ending = ".safetensors";
  for (const auto& item : fs::directory_iterator(folder)) {
    const std::string name = item.path().filename().string();
    const std::string extension = item.path().extension().string();
    if (extension == ".bin" || extension == ".ckpt" || extension == ".pt") {
      contents.has_pickles = true;
    }
    const size_t front = stem.size() + 1;
    if (!name.starts_with(stem + ".") || !name.ends_with(ending)) continue;
    if (name.size() <= front + ending.size()) continue;
    const std::string variant = name.substr(front, name.size() - front - ending.size());
    if (variant.find('.') == variant.npos) contents.variants.insert(variant);
  }
  return contents;
}

[[noreturn]] void fail_without_files(const fs::path& folder, Component component) {
  const Contents contents = contents_of(folder, file_stem(component));
  const std::string want = file_stem(component) + ".safetensors";
  if (!contents.variants.empty()) {
    const std::string& variant = *contents.variants.begin();
    fail(folder.string(), ": no ", want, ", only the variant '", variant, "': give --variant ",
         variant);
  }
  if (contents.has_pickles) {
    fail(folder.string(), ": no ", want,
         ", only pickled weights (.bin), which are never loaded: convert them to safetensors");
  }
  fail(folder.string(), ": no weights (", want, " or its shards)");
}

}  // namespace

bool has_component_files(const fs::path& folder, Component component, const std::string& variant) {
  return !find_files(folder, component, variant).path.empty();
}

std::vector<std::shared_ptr<const SafetensorsFile>> open_component_files(
    const fs::path& folder, Component component, const std::string& variant) {
  if (!fs::is_directory(folder)) fail(folder.string(), " is not a folder");
  Found found = find_files(folder, component, variant);
  if (found.path.empty()) found = find_files(folder, component, "");
  if (found.path.empty()) fail_without_files(folder, component);
  if (found.is_index) return open_shards(read_shard_index(found.path));
  return {std::make_shared<const SafetensorsFile>(found.path)};
}

}  // namespace dorabooth
