// Every layout of the fixtures' adapters reads to the same numbers, and what is written reads back.
#include "src/adapter/adapter_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "src/adapter/adapter_keys.h"
#include "src/base/error.h"
#include "tests/adapter/base_layers.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::testing::adapter_file_golden_test {
namespace {

namespace fs = std::filesystem;
using Modules = std::map<std::string, AdapterTensors>;

struct Kind {
  std::string name;
  int64_t rank = 0;
  double alpha = 0;
};

std::vector<Kind> kinds() {
  std::vector<Kind> result;
  const nlohmann::json json = fixture_json("adapters/adapters.json");
  for (const auto& kind : json.at("kinds")) {
    result.push_back({kind.at("kind"), kind.at("rank"), kind.at("alpha")});
  }
  if (result.empty()) fail("adapters.json lists no kinds");
  return result;
}

// The numbers of a diffusers file by its keys' plain endings, read without the code under test.
Modules reference(const Kind& kind) {
  Modules modules;
  const GoldenFile file("adapters/diffusers_" + kind.name + ".safetensors");
  for (const auto& [key, value] : file.all()) {
    const size_t end = key.rfind(".lora");
    const std::string ending = key.substr(end);
    AdapterTensors& own = modules[key.substr(0, end)];
    own.alpha = kind.alpha;
    (ending.ends_with("down.weight") ? own.a
     : ending.ends_with("up.weight") ? own.b
                                     : own.m) = value;
  }
  return modules;
}

// All adapter files and folders of the fixtures that hold a kind.
std::vector<fs::path> layouts_of(const std::string& kind) {
  std::vector<fs::path> paths;
  for (const auto& item : fs::directory_iterator(fixture_path("adapters"))) {
    const std::string name = item.path().filename().string();
    const bool is_adapter =
        item.is_directory() || (item.path().extension() == ".safetensors" &&
                                (name.starts_with("diffusers_") || name.starts_with("kohya_")));
    if (is_adapter && name.find("_" + kind) != std::string::npos) paths.push_back(item.path());
  }
  return paths;
}

bool states_alpha(const fs::path& path) {
  if (fs::is_directory(path)) return true;
  const SafetensorsFile file(path);
  if (file.metadata().contains("lora_adapter_metadata")) return true;
  for (const TensorEntry& entry : file.entries()) {
    if (entry.name.ends_with(".alpha")) return true;
  }
  return false;
}

// The reference's modules in the components that `modules` has, with the alpha that its file gives.
Modules expected_part(const Modules& all, const Modules& modules, double alpha) {
  std::set<std::string> components;
  for (const auto& [module, own] : modules) components.insert(component_of(module));
  Modules part;
  for (const auto& [module, own] : all) {
    if (!components.contains(component_of(module))) continue;
    part[module] = own;
    part[module].alpha = alpha;
  }
  return part;
}

// What a diffusers file, which holds s·B in fp32, gives back: B where s is a power of two, else B
// to the last bit.
void expect_same_but_for_scaled_b(Modules actual, const Modules& expected) {
  for (const auto& [module, want] : expected) {
    int exponent = 0;
    const double scale = want.alpha / static_cast<double>(want.a.size(0));
    if (std::frexp(scale, &exponent) == 0.5) continue;
    expect_close(actual[module].b, want.b, 0, std::numeric_limits<float>::epsilon(), module + ".B");
    actual[module].b = want.b;
  }
  expect_same_modules(actual, expected);
}

nlohmann::json spec_json(const AdapterSpec& spec) { return adapter_spec_fields().to_json(&spec); }

TEST(AdapterFileGolden, EveryLayoutReadsToTheSameNumbers) {
  const BaseLayers base = base_layers(fixture_path("tiny_sdxl"));
  for (const Kind& kind : kinds()) {
    const Modules all = reference(kind);
    std::set<std::string> formats;
    for (const fs::path& path : layouts_of(kind.name)) {
      SCOPED_TRACE(path.filename().string());
      const AdapterFile file = read_adapter_file(path, base.layers);
      formats.insert(file.format);
      const double alpha = states_alpha(path) ? kind.alpha : static_cast<double>(kind.rank);
      expect_same_modules(file.modules, expected_part(all, file.modules, alpha));
      EXPECT_EQ(file.spec.kind, kind.name);
      EXPECT_EQ(file.spec.rank, kind.rank);
      EXPECT_EQ(file.spec.norm_axis, "output");
      for (const auto& [module, own] : file.modules) {
        EXPECT_EQ(file.spec.rank_of(module), kind.rank);
        EXPECT_EQ(file.spec.alpha_of(module), alpha);
      }
      for (const auto& [module, layer] : base.layers) {
        EXPECT_EQ(file.spec.targets(module), file.modules.contains(module)) << module;
      }
      EXPECT_LT(file.spec.target_modules.size(), file.modules.size());
    }
    EXPECT_EQ(formats, (std::set<std::string>{"diffusers", "kohya", "peft"}));
  }
}

TEST(AdapterFileGolden, WrittenFilesReadBack) {
  const BaseLayers base = base_layers(fixture_path("tiny_sdxl"));
  const TemporaryFolder folder;
  for (const Kind& kind : kinds()) {
    const fs::path source = fixture_path("adapters/diffusers_" + kind.name + ".safetensors");
    AdapterFile file = read_adapter_file(source, base.layers);
    file.spec.dropout = 0.25;
    file.spec.norm_gradient = "full";
    const fs::path diffusers = folder.path() / (kind.name + "_diffusers.safetensors");
    const fs::path kohya = folder.path() / (kind.name + "_kohya.safetensors");
    write_diffusers_adapter(diffusers, file.spec, file.modules, {{"modelspec.author", "nobody"}});
    write_kohya_adapter(kohya, file.spec, file.modules, {{"modelspec.author", "nobody"}});
    for (const fs::path& path : {diffusers, kohya}) {
      SCOPED_TRACE(path.filename().string());
      const AdapterFile back = read_adapter_file(path, base.layers);
      if (path == diffusers) {
        expect_same_but_for_scaled_b(back.modules, file.modules);
      } else {
        expect_same_modules(back.modules, file.modules);
      }
      EXPECT_EQ(spec_json(back.spec), spec_json(file.spec));
      EXPECT_EQ(back.metadata.at("modelspec.author"), "nobody");
    }
  }
}

TEST(AdapterFileGolden, WrittenKeysAndShapesAreThoseOfTheFixtures) {
  const BaseLayers base = base_layers(fixture_path("tiny_sdxl"));
  const TemporaryFolder folder;
  const auto shapes = [](const fs::path& path) {
    std::map<std::string, std::vector<int64_t>> result;
    const SafetensorsFile file(path);
    for (const TensorEntry& entry : file.entries()) result[entry.name] = entry.shape;
    return result;
  };
  for (const Kind& kind : kinds()) {
    const fs::path source = fixture_path("adapters/diffusers_" + kind.name + ".safetensors");
    const AdapterFile file = read_adapter_file(source, base.layers);
    const fs::path diffusers = folder.path() / (kind.name + ".safetensors");
    write_diffusers_adapter(diffusers, file.spec, file.modules, {});
    auto want = shapes(source);
    // The one difference: what transformers needs to bind a text encoder's magnitudes.
    const std::string magnitude = "lora_magnitude_vector";
    for (const auto& [name, shape] : shapes(source)) {
      if (name.starts_with("text_encoder") && name.ends_with(magnitude)) {
        want.erase(name);
        want[name + ".weight"] = shape;
      }
    }
    EXPECT_EQ(shapes(diffusers), want);
    const fs::path kohya = folder.path() / (kind.name + "_kohya.safetensors");
    write_kohya_adapter(kohya, file.spec, file.modules, {});
    EXPECT_EQ(shapes(kohya),
              shapes(fixture_path("adapters/kohya_" + kind.name + "_sgm.safetensors")));
  }
}

TEST(AdapterFileGolden, HeaderFieldsAreLoraConfigsOwn) {
  const BaseLayers base = base_layers(fixture_path("tiny_sdxl"));
  const TemporaryFolder folder;
  for (const Kind& kind : kinds()) {
    const fs::path source = fixture_path("adapters/diffusers_" + kind.name + ".safetensors");
    const AdapterFile file = read_adapter_file(source, base.layers);
    const fs::path path = folder.path() / (kind.name + ".safetensors");
    write_diffusers_adapter(path, file.spec, file.modules, {});
    const auto known = nlohmann::json::parse(file.metadata.at("lora_adapter_metadata"));
    const AdapterFile back = read_adapter_file(path, base.layers);
    const auto written = nlohmann::json::parse(back.metadata.at("lora_adapter_metadata"));
    for (const auto& [field, value] : written.items()) {
      ASSERT_TRUE(known.contains(field)) << field;
      if (field.ends_with(".target_modules") || field.ends_with(".use_dora")) {
        EXPECT_EQ(value, known.at(field)) << field;
      }
    }
  }
}

// A reader that knows nothing of the header must see the same update: alpha = rank, scale in B.
TEST(AdapterFileGolden, TheUpdateIsTheSameWithoutTheHeader) {
  const BaseLayers base = base_layers(fixture_path("tiny_sdxl"));
  const TemporaryFolder folder;
  for (const Kind& kind : kinds()) {
    for (const bool with_configs : {false, true}) {
      const fs::path source = fixture_path("adapters/diffusers_" + kind.name + ".safetensors");
      const AdapterFile file = read_adapter_file(source, base.layers);
      const fs::path path = folder.path() / "written.safetensors";
      write_diffusers_adapter(path, file.spec, file.modules, {});
      std::map<std::string, at::Tensor> tensors;
      std::map<std::string, std::string> metadata;
      {
        const SafetensorsFile written(path);
        for (const TensorEntry& entry : written.entries()) {
          const at::Tensor value = at::empty(entry.shape, at::kFloat);
          written.read(entry, 0, {static_cast<std::byte*>(value.data_ptr()), value.nbytes()});
          tensors[entry.name] = value;
        }
        if (with_configs) {
          metadata["lora_adapter_metadata"] = written.metadata().at("lora_adapter_metadata");
        }
      }
      const fs::path bare = folder.path() / "bare.safetensors";
      write_tensor_file(bare, tensors, metadata);
      const AdapterFile back = read_adapter_file(bare, base.layers);
      Modules want = file.modules;
      for (auto& [module, own] : want) {
        const double scale = own.alpha / static_cast<double>(own.a.size(0));
        own.b = (own.b.to(at::kDouble) * scale).to(at::kFloat);
        own.alpha = static_cast<double>(own.a.size(0));
      }
      expect_same_modules(back.modules, want);
    }
  }
}

TEST(AdapterFileGolden, TheSameAdapterGivesTheSameBytes) {
  const BaseLayers base = base_layers(fixture_path("tiny_sdxl"));
  const TemporaryFolder folder;
  const AdapterFile file =
      read_adapter_file(fixture_path("adapters/kohya_dora_sgm.safetensors"), base.layers);
  std::vector<std::string> contents;
  for (const char* name : {"first.safetensors", "second.safetensors"}) {
    write_diffusers_adapter(folder.path() / name, file.spec, file.modules, {{"steps", "20"}});
    std::ifstream stream(folder.path() / name, std::ios::binary);
    contents.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  EXPECT_FALSE(contents[0].empty());
  EXPECT_EQ(contents[0], contents[1]);
}

}  // namespace
}  // namespace dorabooth::testing::adapter_file_golden_test
