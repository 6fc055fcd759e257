// How far adapters have moved their base, against the definition over merged weights in fp64.
#include "pipelines/parts/adapter_meter.h"

#include <ATen/ATen.h>

#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::adapter_meter_test {
namespace {

at::Tensor squares(const at::Tensor& x) { return at::square(x.to(at::kDouble)).sum(); }

class AdapterMeter : public TrainingTest {
 protected:
  void load(const LoadOptions& options = {}) { bundle_ = load_bundle(base_path(), options); }

  AdapterSet adapters(const std::string& kind, const std::string& axis = "output") {
    AdapterSpec spec;
    spec.kind = kind;
    spec.rank = 2;
    spec.norm_axis = axis;
    spec.target_modules = default_target_modules(/*train_text_encoder=*/true);
    return AdapterSet::create(spec, bundle_.linear_layers(), 5, adapter_core(bundle_.device));
  }

  static void train(AdapterSet& set) {
    const at::NoGradGuard no_grad;
    int64_t number = 0;
    for (AdapterParameter& parameter : set.parameters()) {
      const double step = 0.01 + 0.001 * static_cast<double>(number++ % 7);
      if (parameter.name.ends_with(".m")) {
        parameter.value.mul_(1 + step);
      } else {
        parameter.value.add_(step);
      }
    }
    set.on_parameters_changed();
  }

  // By whole matrices in fp64.
  std::map<std::string, BlockDrift> expected(AdapterSet& set) {
    std::map<std::string, std::pair<double, double>> squared;  // change, weight
    std::map<std::string, std::vector<at::Tensor>> ratios;
    for (const auto& [module, layer] : bundle_.linear_layers()) {
      Adapter* adapter = set.find(module);
      if (!adapter) continue;
      const FrozenWeight& weight = *layer->weight();
      const at::Tensor w = weight.rows(0, weight.out_features()).to(at::kDouble);
      const at::Tensor merged = adapter->merged_rows(weight, 0, weight.out_features());
      auto& [change2, weight2] = squared[block_of(module)];
      change2 += squares(merged.to(at::kDouble) - w).item<double>();
      weight2 += squares(w).item<double>();
      const at::Tensor m = adapter->tensors().m;
      if (!m.defined()) continue;
      const int64_t along = set.spec().norm_axis == "input" ? 0 : 1;
      ratios[block_of(module)].push_back((m / at::square(w).sum(along).sqrt() - 1).abs());
    }
    std::map<std::string, BlockDrift> drifts;
    for (const auto& [block, sums] : squared) {
      drifts[block].weight_change = std::sqrt(sums.first / sums.second);
      if (ratios.contains(block)) {
        drifts[block].magnitude_drift = at::cat(ratios[block]).mean().item<double>();
      }
    }
    return drifts;
  }

  void expect_measured(AdapterSet& set) {
    const auto want = expected(set);
    const auto got = measure_drift(set, bundle_.linear_layers());
    ASSERT_EQ(got.size(), want.size());
    for (const auto& [block, drift] : want) {
      SCOPED_TRACE(block);
      const BlockDrift& measured = got.at(block);
      EXPECT_GT(measured.weight_change, 0.0);
      EXPECT_NEAR(measured.weight_change, drift.weight_change, 1e-5 * drift.weight_change);
      ASSERT_EQ(measured.magnitude_drift.has_value(), drift.magnitude_drift.has_value());
      if (!drift.magnitude_drift) continue;
      EXPECT_NEAR(*measured.magnitude_drift, *drift.magnitude_drift, 1e-6);
    }
  }

  SdxlBundle bundle_;
};

TEST_F(AdapterMeter, BlocksAreTheModelsOwn) {
  EXPECT_EQ(block_of("unet.down_blocks.1.attentions.0.proj_in"), "unet.down_blocks.1");
  EXPECT_EQ(block_of("unet.mid_block.attentions.0.proj_in"), "unet.mid_block");
  EXPECT_EQ(block_of("unet.time_embedding.linear_1"), "unet.time_embedding");
  EXPECT_EQ(block_of("text_encoder_2.text_model.encoder.layers.0.mlp.fc1"), "text_encoder_2");
}

TEST_F(AdapterMeter, MeasuresEveryKind) {
  load();
  for (const char* kind : {"lora", "dora", "vera", "dvora"}) {
    SCOPED_TRACE(kind);
    AdapterSet set = adapters(kind);
    train(set);
    expect_measured(set);
  }
  AdapterSet by_columns = adapters("dora", "input");
  train(by_columns);
  expect_measured(by_columns);
}

TEST_F(AdapterMeter, MeasuresOverAQuantizedBaseAndOneInHalfPrecision) {
  LoadOptions options;
  options.storage = WeightStorage::kNf4;
  load(options);
  AdapterSet quantized = adapters("dora");
  train(quantized);
  expect_measured(quantized);
  options.storage = WeightStorage::kDense;
  options.dtype = at::kBFloat16;
  load(options);
  AdapterSet halved = adapters("dora");
  train(halved);
  expect_measured(halved);
}

// Rounding of the base must not count as a change.
TEST_F(AdapterMeter, AFreshAdapterHasMovedNothing) {
  for (const char* storage : {"none", "nf4", "int8", "fp8"}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      LoadOptions options;
      options.storage = parse_weight_storage(storage);
      options.dtype = dtype;
      load(options);
      for (const char* kind : {"lora", "dora", "vera", "dvora"}) {
        SCOPED_TRACE(concat(kind, " over ", storage, " ", c10::toString(dtype)));
        AdapterSet set = adapters(kind);
        for (const auto& [block, drift] : measure_drift(set, bundle_.linear_layers())) {
          EXPECT_LT(drift.weight_change, 1e-6) << block;
          EXPECT_LT(drift.magnitude_drift.value_or(0), 1e-6) << block;
        }
      }
    }
  }
}

TEST_F(AdapterMeter, StandsInTheMetricsAtEveryValidation) {
  config_.adapter = {"both"};
  config_.train_text_encoder = true;
  config_.max_train_steps = 5;
  config_.validation_steps = 2;
  train_into("out", config_);
  const auto lines = read_metrics(out() / "metrics.jsonl");
  for (const nlohmann::json& line : lines) {
    const bool due = line["step"] == 2 || line["step"] == 4 || line["step"] == 5;
    EXPECT_EQ(line.contains("weight_change"), due) << line["step"];
    EXPECT_EQ(line.contains("magnitude_drift"), due) << line["step"];
  }
  for (const char* adapter : {"lora", "dora"}) {
    for (const char* block : {"unet.down_blocks.1", "unet.mid_block", "unet.up_blocks.0",
                              "text_encoder", "text_encoder_2"}) {
      const double early = lines[1]["weight_change"][adapter].at(block);
      EXPECT_GT(early, 0.0);
      EXPECT_GT(lines[4]["weight_change"][adapter].at(block), early) << adapter << " " << block;
    }
  }
  EXPECT_FALSE(lines[1]["magnitude_drift"].contains("lora"));
  EXPECT_GT(lines[1]["magnitude_drift"]["dora"].at("unet.mid_block"), 0.0);
}

// The averages are what a user gets.
TEST_F(AdapterMeter, MeasuresTheAverages) {
  config_.max_train_steps = 3;
  train_into("plain", config_);
  config_.use_ema = true;
  train_into("averaged", config_);
  const auto change = [&](const std::string& run) {
    return metrics(run).back()["weight_change"]["lora"]["unet.mid_block"].get<double>();
  };
  EXPECT_GT(change("averaged"), 0.0);
  EXPECT_LT(change("averaged"), change("plain"));
}

}  // namespace
}  // namespace dorabooth::testing::adapter_meter_test
