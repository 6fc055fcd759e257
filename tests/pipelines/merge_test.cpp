// Merging through the pipeline on the small base: layouts, dtypes, atomic output, and what it
// refuses.
#include "pipelines/merge.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "pipelines/parts/tensor_store.h"
#include "src/adapter/adapter_file.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "src/model/bundle.h"
#include "tests/support/fixtures.h"

namespace dorabooth::merge_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;
using testing::TemporaryFolder;

class Silent : public Progress {
 public:
  void on(const Event&) override {}
};

std::string base_path() { return (testing::source_dir() / "assets" / "base").string(); }

// A DoRA on every attention projection whose numbers all differ from their start.
fs::path write_adapter(const fs::path& folder, const std::string& kind) {
  const SdxlBundle bundle = load_bundle(base_path(), LoadOptions{});
  AdapterSpec spec;
  spec.kind = kind;
  spec.rank = 2;
  spec.target_modules = default_target_modules(true);
  AdapterSet set = AdapterSet::create(spec, bundle.linear_layers(), 5, cpu_core());
  at::NoGradGuard no_grad;
  at::manual_seed(3);
  for (const AdapterParameter& parameter : set.parameters()) {
    if (parameter.name.ends_with(".B")) parameter.value.normal_(0, 0.05);
    if (parameter.name.ends_with(".m")) parameter.value.mul_(1.1);
  }
  const fs::path path = folder / (kind + ".safetensors");
  write_diffusers_adapter(path, set, {});
  return path;
}

MergeRequest request_for(const fs::path& adapter, const std::string& layout,
                         const fs::path& target) {
  MergeRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.adapter_path = {adapter.string()};
  request.layout = layout;
  (layout == "diffusers" ? request.output_dir : request.output) = target.string();
  return request;
}

UNetInputs inputs_for(const UNetConfig& config) {
  at::manual_seed(11);
  UNetInputs inputs;
  inputs.sample = at::randn({1, config.in_channels, 16, 16});
  inputs.timesteps = at::full({1}, 500.0);
  inputs.encoder_hidden_states = at::randn({1, 32, config.cross_attention_dim});
  inputs.text_embeds = at::randn({1, config.pooled_features()});
  inputs.time_ids = at::full({1, 6}, 128.0);
  return inputs;
}

at::Tensor unet_output(const SdxlBundle& bundle) {
  at::NoGradGuard no_grad;
  return bundle.unet->forward(inputs_for(bundle.unet->config()));
}

at::Tensor adapted_output(const fs::path& adapter) {
  const SdxlBundle bundle = load_bundle(base_path(), LoadOptions{});
  AdapterSet set = load_adapter_set(adapter, bundle.linear_layers(), cpu_core());
  const AttachScope scope = set.attach();
  return unet_output(bundle);
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

TEST(Merge, EveryLayoutComputesWhatTheAdapterComputes) {
  const TemporaryFolder folder;
  Silent progress;
  for (const char* kind : {"lora", "dora"}) {
    SCOPED_TRACE(kind);
    const fs::path adapter = write_adapter(folder.path(), kind);
    const at::Tensor want = adapted_output(adapter);

    MergeRequest request = request_for(adapter, "diffusers", folder.path() / kind);
    request.dtype = "fp32";
    const MergeReport report = merge(request, progress, {});
    EXPECT_LT(report.largest_forward_error, 1e-5);
    EXPECT_TRUE(fs::exists(report.receipt));
    ASSERT_TRUE(report.largest_pixel_difference.has_value());
    EXPECT_LE(*report.largest_pixel_difference, 1);
    EXPECT_LT(relative_difference(unet_output(load_bundle(report.path, LoadOptions{})), want),
              1e-5);

    request =
        request_for(adapter, "single_file", folder.path() / concat(kind, "-single.safetensors"));
    request.dtype = "fp32";
    const MergeReport single = merge(request, progress, {});
    LoadOptions weights_only;
    weights_only.components = {Component::kUNet, Component::kVae};
    EXPECT_LT(relative_difference(unet_output(load_bundle(single.path, weights_only)), want), 1e-5);
  }
}

TEST(Merge, KeepsEachTensorsDtypeAndRoundsOnce) {
  const TemporaryFolder folder;
  Silent progress;
  const fs::path adapter = write_adapter(folder.path(), "dora");
  const auto exact_path = folder.path() / "exact.safetensors";
  MergeRequest exact = request_for(adapter, "unet", exact_path);
  exact.dtype = "fp32";
  merge(exact, progress, {});
  const auto half_path = folder.path() / "half.safetensors";
  merge(request_for(adapter, "unet", half_path), progress, {});
  const auto exact_tensors = read_tensors(exact_path);
  for (const auto& [name, tensor] : read_tensors(half_path)) {
    ASSERT_EQ(tensor.scalar_type(), at::kHalf) << name;
    EXPECT_TRUE(at::equal(tensor, exact_tensors.at(name).to(at::kHalf))) << name;
  }
}

TEST(Merge, LeavesNothingBehindWhenStopped) {
  const TemporaryFolder folder;
  Silent progress;
  const fs::path adapter = write_adapter(folder.path(), "lora");
  std::stop_source stop;
  stop.request_stop();
  const MergeReport report = merge(request_for(adapter, "diffusers", folder.path() / "merged"),
                                   progress, stop.get_token());
  EXPECT_TRUE(report.stopped);
  for (const auto& entry : fs::directory_iterator(folder.path())) EXPECT_EQ(entry.path(), adapter);
}

TEST(Merge, RefusesToWriteOverWhatItDidNotWrite) {
  const TemporaryFolder folder;
  Silent progress;
  const fs::path adapter = write_adapter(folder.path(), "lora");
  write_file_atomically(folder.path() / "mine" / "x.txt", "x");
  const std::string message = message_of(
      [&] { merge(request_for(adapter, "diffusers", folder.path() / "mine"), progress, {}); });
  EXPECT_NE(message.find("no earlier result of merge"), std::string::npos) << message;
  EXPECT_EQ(read_file(folder.path() / "mine" / "x.txt"), "x");
}

}  // namespace
}  // namespace dorabooth::merge_test
