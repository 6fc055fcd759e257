// The single file against the folder, and rearranged copies of both.
#include "src/model/checkpoint.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <optional>
#include <set>

#include "src/base/atomic_file.h"
#include "src/model/bundle.h"
#include "tests/model/fake_files.h"
#include "tests/support/fixtures.h"

namespace dorabooth::checkpoint_golden_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::fixture_path;
using testing::message_of;

fs::path single_path() { return fixture_path("tiny_sdxl_single_file.safetensors"); }
Checkpoint folder_base() { return Checkpoint::open(fixture_path("tiny_sdxl")); }

Checkpoint single_base(const fs::path& path) {
  return Checkpoint::open(path, "", fixture_path("tiny_sdxl"));
}

void expect_same_weights(const Checkpoint& a, const Checkpoint& b) {
  for (const Component component : kComponents) {
    ASSERT_EQ(a.stored(component).size(), b.stored(component).size());
    for (const StoredTensor& stored : b.stored(component)) {
      EXPECT_TRUE(at::equal(a.weights(component).tensor(stored.name),
                            b.weights(component).tensor(stored.name)))
          << component_name(component) << " " << stored.name;
    }
  }
}

// A copy of the single file; `rename` gives an entry's new name, or nothing to leave it out.
using Rename = std::function<std::optional<std::string>(const std::string&)>;
void copy_single_file(const fs::path& to, const Rename& rename,
                      const std::vector<std::string>& markers = {},
                      const std::map<std::string, std::string>& metadata = {}) {
  const SafetensorsFile file(single_path());
  std::vector<TensorEntry> entries;
  std::vector<std::pair<std::string, const TensorEntry*>> sources;
  for (const TensorEntry& entry : file.entries()) {
    const auto name = rename(entry.name);
    if (!name) continue;
    entries.push_back({*name, entry.dtype, entry.shape, 0, 0});
    sources.emplace_back(*name, &entry);
  }
  for (const std::string& marker : markers) entries.push_back({marker, DType::kF32, {0}, 0, 0});
  SafetensorsWriter writer(to, entries, metadata);
  for (const auto& [name, entry] : sources) {
    writer.write(name, 0, {file.data(*entry), entry->bytes()});
  }
  writer.finish();
}

std::optional<std::string> same(const std::string& name) { return name; }

class SingleFile : public ::testing::Test {
 protected:
  testing::TemporaryFolder folder_;
  fs::path copy_ = folder_.path() / "base.safetensors";
};

TEST_F(SingleFile, HoldsTheFoldersWeightsBitForBit) {
  expect_same_weights(single_base(single_path()), folder_base());
}

TEST_F(SingleFile, LoadsAsABundle) {
  LoadOptions options;
  options.config_dir = fixture_path("tiny_sdxl");
  const SdxlBundle single = load_bundle(single_path(), options);
  const SdxlBundle folder = load_bundle(fixture_path("tiny_sdxl"), {});
  ASSERT_EQ(single.linear_layers().size(), folder.linear_layers().size());
  EXPECT_EQ(single.scheduler.class_name, folder.scheduler.class_name);
}

TEST_F(SingleFile, ItsOwnMetadataReplacesTheConfigFolder) {
  copy_single_file(copy_, same, {},
                   {{Checkpoint::kConfigMetadata, folder_base().config_metadata()}});
  const Checkpoint base = Checkpoint::open(copy_);
  for (const Component component : kComponents) {
    EXPECT_EQ(base.config(component), folder_base().config(component));
  }
  EXPECT_EQ(base.scheduler_config().given, folder_base().scheduler_config().given);
  EXPECT_EQ(base.force_zeros_for_empty_prompt(), folder_base().force_zeros_for_empty_prompt());
  load_bundle(base, {});
}

TEST_F(SingleFile, AsksForConfigsWhereItsShapesCannotTell) {
  const std::string message = message_of([&] { load_bundle(single_path(), {}); });
  EXPECT_NE(message.find("--config_dir"), message.npos) << message;
}

TEST_F(SingleFile, TakesTheToleratedSpellings) {
  copy_single_file(copy_, [](std::string name) -> std::optional<std::string> {
    if (name.ends_with("position_ids") || name.ends_with("logit_scale")) return std::nullopt;
    const std::string outer = ".transformer.text_model.";
    if (const size_t at = name.find(outer); at != name.npos) {
      name.replace(at, outer.size(), ".transformer.");
    }
    return name;
  });
  expect_same_weights(single_base(copy_), folder_base());
}

TEST_F(SingleFile, IgnoresAnEmaCopyWithANote) {
  copy_single_file(copy_, same, {"model_ema.decay"});
  const Checkpoint base = single_base(copy_);
  expect_same_weights(base, folder_base());
  ASSERT_EQ(base.notes().size(), 1u);
  EXPECT_NE(base.notes()[0].find("model_ema"), std::string::npos);
}

TEST_F(SingleFile, MarkerKeysSetThePredictionType) {
  EXPECT_EQ(single_base(single_path()).scheduler_config().prediction_type,
            folder_base().scheduler_config().prediction_type);
  copy_single_file(copy_, same, {"v_pred", "ztsnr"});
  const SchedulerConfig config = single_base(copy_).scheduler_config();
  EXPECT_EQ(config.prediction_type, "v_prediction");
  EXPECT_TRUE(config.rescale_betas_zero_snr);
}

TEST_F(SingleFile, WithoutAVaeSaysSoOnlyWhenItIsAskedFor) {
  copy_single_file(copy_, [](const std::string& name) -> std::optional<std::string> {
    if (name.starts_with("first_stage_model.")) return std::nullopt;
    return name;
  });
  const Checkpoint base = single_base(copy_);
  EXPECT_FALSE(base.has(Component::kVae));
  EXPECT_NE(message_of([&] { load_bundle(base, {}); }).find("has no vae"), std::string::npos);
  LoadOptions without;
  without.components.erase(Component::kVae);
  EXPECT_EQ(load_bundle(base, without).vae, nullptr);
  LoadOptions other;
  other.vae_path = fixture_path("tiny_sdxl");
  EXPECT_NE(load_bundle(base, other).vae, nullptr);
}

TEST_F(SingleFile, NamesWhatBelongsToNoComponent) {
  copy_single_file(copy_, same, {"model.diffusion_model.extra.weight"});
  const std::string message = message_of([&] { single_base(copy_); });
  EXPECT_NE(message.find("model.diffusion_model.extra.weight"), message.npos) << message;
}

TEST_F(SingleFile, NamesWhatIsMissing) {
  copy_single_file(copy_, [](const std::string& name) -> std::optional<std::string> {
    if (name == "model.diffusion_model.out.2.bias") return std::nullopt;
    return name;
  });
  const std::string message = message_of([&] { load_bundle(single_base(copy_), {}); });
  EXPECT_NE(message.find("1 missing: conv_out.bias"), message.npos) << message;
}

// Rewrites the weights of one component of a copied folder in two shards.
void split_into_shards(const fs::path& folder, const std::string& stem) {
  const fs::path whole = folder / (stem + ".safetensors");
  {
    const SafetensorsFile file(whole);
    json map;
    for (size_t shard = 0; shard < 2; ++shard) {
      const std::string name = stem + "-0000" + std::to_string(shard + 1) + "-of-00002.safetensors";
      std::vector<TensorEntry> entries;
      for (size_t i = shard; i < file.entries().size(); i += 2) {
        entries.push_back(file.entries()[i]);
        map[entries.back().name] = name;
      }
      SafetensorsWriter writer(folder / name, entries, {});
      for (const TensorEntry& entry : entries) {
        writer.write(entry.name, 0, {file.data(file.at(entry.name)), entry.bytes()});
      }
      writer.finish();
    }
    testing::write_text(folder / (stem + ".safetensors.index.json"),
                        json{{"metadata", json::object()}, {"weight_map", map}}.dump());
  }
  fs::remove(whole);
}

TEST(DiffusersFolder, InShardsHoldsTheSameWeights) {
  const testing::TemporaryFolder folder;
  const fs::path base = folder.path() / "base";
  fs::copy(fixture_path("tiny_sdxl"), base, fs::copy_options::recursive);
  split_into_shards(base / "unet", "diffusion_pytorch_model");
  split_into_shards(base / "text_encoder_2", "model");
  expect_same_weights(Checkpoint::open(base), folder_base());
}

TEST(DiffusersFolder, AVariantThatNoComponentHasIsAnError) {
  const std::string message =
      message_of([] { Checkpoint::open(fixture_path("tiny_sdxl"), "fp16"); });
  EXPECT_NE(message.find("'fp16'"), message.npos) << message;
}

TEST(DiffusersFolder, BothLayoutsGiveOneKeyLayout) {
  const KeyLayout folder = folder_base().key_layout();
  const KeyLayout single = Checkpoint::open(single_path()).key_layout();
  EXPECT_EQ(folder.unet_layers_per_block, single.unet_layers_per_block);
  EXPECT_EQ(folder.unet_attention, single.unet_attention);
  EXPECT_EQ(folder.vae_levels, single.vae_levels);
}

TEST(DiffusersFolder, NamesEveryLinearLayerByItsComponent) {
  const SdxlBundle bundle = load_bundle(fixture_path("tiny_sdxl"), {});
  std::set<std::string> prefixes;
  for (const auto& [name, layer] : bundle.linear_layers()) {
    EXPECT_EQ(layer->out_features(), layer->weight()->out_features()) << name;
    prefixes.insert(name.substr(0, name.find('.')));
  }
  EXPECT_EQ(prefixes, (std::set<std::string>{"unet", "text_encoder", "text_encoder_2"}));
}

}  // namespace
}  // namespace dorabooth::checkpoint_golden_test
