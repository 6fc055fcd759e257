// QLoRA and QDoRA, and the same over int8 and fp8: adapters over a base whose large matrices are
// quantised.
#include <cmath>

#include "pipelines/sample.h"
#include "src/quant/quantized_weight.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_quantized_test {
namespace {

class TrainingOverQuantized : public TrainingTest,
                              public ::testing::WithParamInterface<const char*> {
 protected:
  TrainingOverQuantized() {
    config_.base_quantization = GetParam();
    config_.adapter = {"both"};
  }
};

TEST_P(TrainingOverQuantized, FollowsTheRunOverTheWholeBase) {
  const TrainReport report = train_into("quantized", config_);
  ASSERT_EQ(report.adapters.size(), 2u);
  config_.base_quantization = "none";
  train_into("whole", config_);
  const auto quantized = metrics("quantized");
  const auto whole = metrics("whole");
  ASSERT_EQ(quantized.size(), whole.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char* kind : {"lora", "dora"}) {
      const double own = quantized[i]["loss"][kind].get<double>();
      const double reference = whole[i]["loss"][kind].get<double>();
      EXPECT_NE(own, reference);
      EXPECT_NEAR(own, reference, 0.25 * reference) << kind << ", step " << i;
    }
  }
  EXPECT_TRUE(warnings().empty());
}

// The cache's entries are those of the quantised encoders, never of the whole ones.
TEST_P(TrainingOverQuantized, TheDiskCacheGivesTheSameBytes) {
  config_.adapter = {"dora"};
  train_into("memory", config_);
  config_.disk_cache_dir = (folder_.path() / "cache").string();
  config_.base_quantization = "none";
  train_into("filled", config_);
  config_.base_quantization = GetParam();
  for (const char* name : {"first", "second"}) {
    train_into(name, config_);
    EXPECT_EQ(adapter_bytes(name), adapter_bytes("memory")) << name;
  }
}

TEST_P(TrainingOverQuantized, RepeatsItsBytesAfterAStopToo) {
  config_.mixed_precision = "bf16";
  config_.train_text_encoder = true;
  config_.adapter = {"dora"};
  train_into("whole", config_);
  train_into("parts", config_, 2);
  config_.resume_from_checkpoint = "latest";
  train_into("parts", config_);
  EXPECT_EQ(adapter_bytes("parts"), adapter_bytes("whole"));
}

TEST_P(TrainingOverQuantized, DrawsOnTheBaseThatItTrainedOn) {
  config_.adapter = {"dora"};
  const TrainReport report = train_into("quantized", config_);
  SampleRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.device = "cpu";
  request.base_quantization = GetParam();
  request.prompt = {"a sks icon"};
  request.seed = {1};
  request.num_inference_steps = 2;
  request.adapter_path = {report.adapters[0].path};
  request.output_dir = (folder_.path() / "pictures").string();
  Recorder recorder;
  EXPECT_EQ(sample(request, recorder, {}).pictures.size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Storages, TrainingOverQuantized, ::testing::Values("nf4", "int8", "fp8"));

struct StorageSize {
  const char* name;
  double bytes_a_number;  // without a matrix's own tables
  size_t table_bytes;
};

class QuantizedBase : public ::testing::TestWithParam<StorageSize> {};

TEST_P(QuantizedBase, MatricesOfTheTransformerBlocksTakeWhatTheFormatSays) {
  LoadOptions options;
  options.dtype = at::kBFloat16;
  options.storage = parse_weight_storage(GetParam().name);
  const SdxlBundle bundle = load_bundle(base_path(), options);
  double quantized_bytes = 0;
  double elements = 0;
  for (const auto& [name, layer] : bundle.linear_layers()) {
    const auto* weight = dynamic_cast<const QuantizedWeight*>(layer->weight().get());
    const bool in_block = name.find("attentions.") != std::string::npos ||
                          name.find("encoder.layers.") != std::string::npos;
    ASSERT_EQ(weight != nullptr, in_block) << name;
    if (!weight) continue;
    quantized_bytes += static_cast<double>(weight->bytes() - GetParam().table_bytes);
    elements += static_cast<double>(layer->out_features() * layer->in_features());
  }
  double parameter_bytes = 0;  // of everything that has memory of its own
  for (const at::Tensor& parameter : bundle.unet->parameters()) {
    if (!parameter.is_meta()) parameter_bytes += static_cast<double>(parameter.nbytes());
  }
  options.storage = WeightStorage::kDense;
  const SdxlBundle whole = load_bundle(base_path(), options);
  double whole_bytes = 0;
  for (const at::Tensor& parameter : whole.unet->parameters()) {
    whole_bytes += static_cast<double>(parameter.nbytes());
  }
  EXPECT_LT(quantized_bytes, GetParam().bytes_a_number * elements);
  EXPECT_LT(parameter_bytes, whole_bytes);
}

// The rows of so small a base are short: their scales show.
INSTANTIATE_TEST_SUITE_P(Storages, QuantizedBase,
                         ::testing::Values(StorageSize{"nf4", 0.52, 1024},
                                           StorageSize{"int8", 1.07, 0},
                                           StorageSize{"fp8", 1.07, 0}));

}  // namespace
}  // namespace dorabooth::testing::training_quantized_test
