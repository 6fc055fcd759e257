// Each way of writing a DoRA for a reader, through that reader's own formula, which stands here
// once more in a few lines over the written tensors: nothing of the program's reading is used.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "pipelines/convert.h"
#include "pipelines/merge.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "tests/pipelines/example_base.h"
#include "tests/pipelines/small_adapter.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::export_recipes_test {
namespace {

namespace fs = std::filesystem;
using Tensors = std::map<std::string, at::Tensor>;

constexpr double kEps = std::numeric_limits<float>::epsilon();
constexpr double kStrengths[] = {0.0, 0.5, 1.0};
constexpr double kRounding = 1e-6;  // of the written numbers, in fp32

class ExportRecipes : public ::testing::Test {
 protected:
  // The written tensors in fp64.
  Tensors written(const std::string& to, const std::string& adapter) {
    ConvertRequest request;
    request.adapter_path = adapter;
    request.pretrained_model_name_or_path = base_path();
    request.to = to;
    request.rank = rank_;
    path_ = folder_.path() / ("for_" + to);
    (to == "peft" ? request.output_dir : request.output) = path_.string();
    report_ = convert(request, recorder_, {});
    return to == "peft" ? Tensors() : doubles(path_);
  }
  static Tensors doubles(const fs::path& path) {
    Tensors tensors = read_tensors(path);
    for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kDouble);
    return tensors;
  }
  std::string dora() { return adapter_.write(folder_.path() / "dora.safetensors"); }

  // alpha/rank · B·A of a kohya file's module.
  static at::Tensor kohya_update(const Tensors& file, const std::string& stem,
                                 const at::Tensor& like) {
    const at::Tensor down = file.at(stem + ".lora_down.weight");
    const at::Tensor up = file.at(stem + ".lora_up.weight");
    const double scale =
        file.at(stem + ".alpha").item<double>() / static_cast<double>(down.size(0));
    return scale * up.flatten(1).matmul(down.flatten(1)).reshape(like.sizes());
  }

  // The original block names of the layers, by hand.
  static std::string sgm_stem(const std::string& module) {
    const std::string q = "unet.mid_block.attentions.0.";
    if (module.starts_with(q)) {
      std::string rest = module.substr(q.size());
      std::ranges::replace(rest, '.', '_');
      return "lora_unet_middle_block_1_" + rest;
    }
    if (module.ends_with("resnets.0.conv1")) return "lora_unet_input_blocks_4_0_in_layers_2";
    if (module.ends_with("conv_shortcut")) return "lora_unet_input_blocks_4_0_skip_connection";
    return SmallAdapter::kohya_stem(module);
  }

  const Checkpoint base_ = Checkpoint::open(base_path());
  const SmallAdapter adapter_{base_};
  TemporaryFolder folder_;
  fs::path path_;
  int64_t rank_ = 8;
  ConvertReport report_;
  Recorder recorder_;
};

// peft/tuners/lora: D(W0 + s·ΔW), alpha = rank in a diffusers file.
TEST_F(ExportRecipes, DiffusersScalesTheUpdateInsideTheNorm) {
  const Tensors file = written("diffusers", dora());
  for (const auto& [module, own] : adapter_.layers()) {
    SCOPED_TRACE(module);
    const bool unet = module.starts_with("unet.");
    const std::string stem = module + (unet ? ".lora" : ".lora_linear_layer");
    const at::Tensor down = file.at(stem + ".down.weight");
    const at::Tensor up = file.at(stem + ".up.weight");
    const std::string m = unet ? ".lora_magnitude_vector" : ".lora_magnitude_vector.weight";
    EXPECT_EQ(down.dim(), own.w.dim());
    if (own.w.dim() == 4) {
      EXPECT_EQ(file.at(module + m).sizes(), (std::vector<int64_t>{1, own.w.size(0), 1, 1}));
      EXPECT_EQ(up.sizes(), (std::vector<int64_t>{own.w.size(0), 4, 1, 1}));
      EXPECT_EQ(down.sizes().slice(1), own.w.sizes().slice(1));
    }
    const at::Tensor update = up.flatten(1).matmul(down.flatten(1)).reshape(own.w.sizes());
    for (const double s : kStrengths) {
      EXPECT_LT(
          off(directed(file.at(module + m), own.w + s * update), directed(own.m, own.changed(s))),
          kRounding);
    }
  }
  EXPECT_EQ(file.size(), 3 * adapter_.layers().size());
}

TEST_F(ExportRecipes, PeftsFoldersHaveAlphaInTheirConfig) {
  written("peft", dora());
  for (const auto& [module, own] : adapter_.layers()) {
    SCOPED_TRACE(module);
    const std::string component = module.substr(0, module.find('.'));
    const std::string path = module.substr(component.size() + 1);
    const Tensors file = doubles(path_ / component / "adapter_model.safetensors");
    const auto config = nlohmann::json::parse(read_file(path_ / component / "adapter_config.json"));
    double alpha = config.at("lora_alpha").get<double>();
    for (const auto& [name, value] : config.at("alpha_pattern").items()) {
      if (path.ends_with(name)) alpha = value.get<double>();
    }
    EXPECT_TRUE(config.at("use_dora").get<bool>());
    const auto targets = config.at("target_modules").get<std::vector<std::string>>();
    EXPECT_TRUE(std::ranges::any_of(
        targets, [&](const std::string& target) { return path.ends_with(target); }));
    const std::string stem = "base_model.model." + path;
    const at::Tensor down = file.at(stem + ".lora_A.weight");
    const at::Tensor update =
        alpha / static_cast<double>(down.size(0)) *
        file.at(stem + ".lora_B.weight").flatten(1).matmul(down.flatten(1)).reshape(own.w.sizes());
    const at::Tensor m = file.at(stem + ".lora_magnitude_vector");
    if (own.w.dim() == 4) {
      EXPECT_EQ(m.sizes(), (std::vector<int64_t>{1, own.w.size(0), 1, 1}));
    }
    for (const double s : kStrengths) {
      EXPECT_LT(off(directed(m, own.w + s * update), directed(own.m, own.changed(s))), kRounding);
    }
  }
}

// SD.Next interpolates between W0 and the result; LyCORIS' merge has a rule of its own.
TEST_F(ExportRecipes, SdNextAndLycorisReadAColumnOfMagnitudes) {
  for (const std::string to : {"kohya", "kohya-sgm"}) {
    const Tensors file = written(to, dora());
    for (const auto& [module, own] : adapter_.layers()) {
      SCOPED_TRACE(module);
      const std::string stem = to == "kohya" ? SmallAdapter::kohya_stem(module) : sgm_stem(module);
      const at::Tensor m = file.at(stem + ".dora_scale");
      EXPECT_EQ(m.sizes(), row_norms(own.w).sizes());
      const at::Tensor changed = own.w + kohya_update(file, stem, own.w);
      const at::Tensor want = directed(own.m, own.changed());
      for (const double s : kStrengths) {
        const at::Tensor sdnext = own.w + s * (m / row_norms(changed) * changed - own.w);
        EXPECT_LT(off(sdnext, own.w + s * (want - own.w)), kRounding);
      }
      const at::Tensor gain = m / (row_norms(changed) + kEps);
      EXPECT_LT(off((1.0 * (gain - 1) + 1) * changed, want), kRounding);
      EXPECT_LT(off((0.0 * (gain - 1) + 1) * changed, own.changed()), kRounding);
    }
  }
}

// comfy/weight_adapter/base.py: dora_scale/(‖W0‖ + eps)·(W0 + ΔW), then between W0 and that.
TEST_F(ExportRecipes, ComfyUiIsRightAtEveryStrength) {
  const Tensors file = written("comfyui", dora());
  for (const auto& [module, own] : adapter_.layers()) {
    SCOPED_TRACE(module);
    const std::string stem = sgm_stem(module);
    const at::Tensor changed = own.w + kohya_update(file, stem, own.w);
    const at::Tensor want = directed(own.m, own.changed());
    const at::Tensor comfyui =
        changed * (file.at(stem + ".dora_scale") / (row_norms(own.w) + kEps));
    for (const double s : kStrengths) {
      EXPECT_LT(off(own.w + s * (comfyui - own.w), own.w + s * (want - own.w)), kRounding);
    }
    // The magnitudes themselves, written there, are not right under that rule.
    const at::Tensor naive = changed * (own.m.reshape(row_norms(own.w).sizes()) / row_norms(own.w));
    EXPECT_GT(off(naive - own.w, want - own.w), 0.05);
  }
}

TEST_F(ExportRecipes, AnyReaderOfLorasGetsTheNearestOneAndIsToldTheResidual) {
  for (const int64_t rank : {8, 4096}) {
    rank_ = rank;
    const Tensors file = written("lora-svd", dora());
    double left = 0, whole = 0, worst = 0;
    for (const auto& [module, own] : adapter_.layers()) {
      const at::Tensor want = directed(own.m, own.changed()) - own.w;
      const at::Tensor update = kohya_update(file, sgm_stem(module), own.w);
      const double residual = (want - update).norm().item<double>();
      const double change = want.norm().item<double>();
      left += residual * residual;
      whole += change * change;
      worst = std::max(worst, residual / change);
      EXPECT_FALSE(file.contains(sgm_stem(module) + ".dora_scale"));
    }
    EXPECT_NEAR(*report_.residual, std::sqrt(left / whole), 1e-5);
    EXPECT_NEAR(report_.worst_residual, worst, 1e-5);
    if (rank == 4096) {
      EXPECT_LT(worst, 1e-5);
    } else {
      EXPECT_GT(worst, 0.1);
    }
  }
}

TEST_F(ExportRecipes, EveryProgramReadsAMergedModel) {
  MergeRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.adapter_path = {dora()};
  request.dtype = "fp32";
  request.output_dir = (folder_.path() / "merged").string();
  const MergeReport report = merge(request, recorder_, {});
  for (const auto& [module, own] : adapter_.layers()) {
    const std::string component = module.substr(0, module.find('.'));
    const std::string file =
        component == "unet" ? "diffusion_pytorch_model.safetensors" : "model.safetensors";
    const Tensors merged = doubles(fs::path(report.path) / component / file);
    const at::Tensor weight = merged.at(module.substr(component.size() + 1) + ".weight");
    EXPECT_LT(off(weight, directed(own.m, own.changed())), kRounding) << module;
  }
}

// A magnitude per input feature is divided by the columns' norms in A1111, InvokeAI and ComfyUI.
TEST_F(ExportRecipes, ARowOfMagnitudesStaysOneForTheUserInterfaces) {
  Tensors source = read_tensors(dora());
  std::map<std::string, at::Tensor> rows;
  for (const auto& [module, own] : adapter_.layers()) {
    std::vector<int64_t> shape(static_cast<size_t>(own.w.dim()), 1);
    shape[1] = own.w.size(1);
    rows[module] = at::rand(shape, at::kDouble).to(at::kFloat) + 0.5;
    source[SmallAdapter::kohya_stem(module) + ".dora_scale"] = rows[module];
  }
  const fs::path path = folder_.path() / "columns.safetensors";
  write_tensors(path, source, {});
  for (const std::string to : {"comfyui", "kohya-sgm"}) {
    const Tensors file = written(to, path.string());
    for (const auto& [module, own] : adapter_.layers()) {
      const std::string stem = sgm_stem(module);
      const at::Tensor changed = own.w + kohya_update(file, stem, own.w);
      const auto norms = [](const at::Tensor& w) {
        return row_norms(w.transpose(0, 1)).transpose(0, 1);
      };
      EXPECT_LT(off(changed * (file.at(stem + ".dora_scale") / norms(changed)),
                    own.changed() * (rows[module].to(at::kDouble) / norms(own.changed()))),
                kRounding)
          << module;
    }
  }
}

}  // namespace
}  // namespace dorabooth::testing::export_recipes_test
