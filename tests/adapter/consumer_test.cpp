// The formulas of other programs, each written out here once more by numbers instead of tensors, on
// square and oblong layers.
#include "src/adapter/consumer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "src/base/error.h"
#include "tests/support/fixtures.h"

namespace dorabooth::consumer_test {
namespace {

using Matrix = std::vector<std::vector<double>>;

constexpr double kEps = 1.1920928955078125e-07;
const std::string kModule = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q";

Matrix numbers(const at::Tensor& tensor) {
  Matrix result(static_cast<size_t>(tensor.size(0)));
  for (int64_t i = 0; i < tensor.size(0); ++i) {
    for (int64_t j = 0; j < tensor.size(1); ++j) {
      result[static_cast<size_t>(i)].push_back(tensor[i][j].item<double>());
    }
  }
  return result;
}

double row_norm(const Matrix& w, size_t i) {
  double sum = 0;
  for (const double value : w[i]) sum += value * value;
  return std::sqrt(sum);
}

double column_norm(const Matrix& w, size_t j) {
  double sum = 0;
  for (const auto& row : w) sum += row[j] * row[j];
  return std::sqrt(sum);
}

// A layer [out, in] with a module of rank 2 and alpha 3.
struct Example {
  explicit Example(int64_t out, int64_t in, AdapterLayout layout = AdapterLayout::kKohya) {
    at::manual_seed(out * 10 + in);
    weight = at::randn({out, in});
    module.key = layout == AdapterLayout::kKohya ? "lora_unet_x.lora_down.weight" : kModule;
    module.down = at::randn({2, in});
    module.up = at::randn({out, 2});
    module.alpha = 3.0;
    file.layout = layout;
    const at::Tensor change = 1.5 * at::matmul(module.up, module.down);
    w0 = numbers(weight);
    delta = numbers(change);
  }

  void give(const at::Tensor& magnitude, AdapterRole role) {
    module.magnitude = magnitude;
    module.magnitude_role = role;
  }

  at::Tensor by(Consumer consumer, double strength) const {
    return consumer_weight(consumer, file, kModule, module, weight, strength);
  }

  // W0 + s·ΔW.
  Matrix changed(double s) const {
    Matrix result = w0;
    for (size_t i = 0; i < result.size(); ++i) {
      for (size_t j = 0; j < result[i].size(); ++j) result[i][j] += s * delta[i][j];
    }
    return result;
  }

  using Formula = std::function<double(size_t i, size_t j)>;
  void expect(Consumer consumer, double strength, const Formula& formula) const {
    SCOPED_TRACE(concat(consumer_title(consumer), " at ", strength));
    const Matrix actual = numbers(by(consumer, strength));
    for (size_t i = 0; i < w0.size(); ++i) {
      for (size_t j = 0; j < w0[i].size(); ++j) {
        EXPECT_NEAR(actual[i][j], formula(i, j), 2e-5) << i << ',' << j;
      }
    }
  }

  StoredAdapter file;
  StoredModule module;
  at::Tensor weight;
  Matrix w0, delta;
};

constexpr double kStrengths[] = {0.0, 0.5, 1.0};

TEST(Consumer, APlainLoraIsTheSameInAll) {
  for (const auto& [out, in] : {std::pair{3, 4}, {4, 4}}) {
    const Example example(out, in);
    for (const Consumer consumer : all_consumers()) {
      for (const double s : kStrengths) {
        const Matrix want = example.changed(s);
        example.expect(consumer, s, [&](size_t i, size_t j) { return want[i][j]; });
      }
    }
  }
}

TEST(Consumer, PeftScalesTheUpdateInsideTheNorm) {
  for (const auto& [out, in] : {std::pair{3, 4}, {4, 4}}) {
    Example example(out, in, AdapterLayout::kDiffusers);
    const at::Tensor m = at::rand({out}) + 0.5;
    example.give(m, AdapterRole::kMagnitudeVector);
    for (const Consumer consumer : {Consumer::kPeft, Consumer::kDiffusers}) {
      for (const double s : kStrengths) {
        const Matrix v = example.changed(s);
        example.expect(consumer, s, [&](size_t i, size_t j) {
          return m[static_cast<int64_t>(i)].item<double>() / row_norm(v, i) * v[i][j];
        });
      }
    }
    // diffusers drops dora_scale.
    example.give(m.unsqueeze(1), AdapterRole::kDoraScale);
    const Matrix plain = example.changed(1.0);
    example.expect(Consumer::kDiffusers, 1.0, [&](size_t i, size_t j) { return plain[i][j]; });
  }
}

TEST(Consumer, ComfyUiDividesRowsByTheBasesNorm) {
  for (const auto& [out, in] : {std::pair{3, 4}, {4, 4}}) {
    Example example(out, in);
    const at::Tensor m = at::rand({out, 1}) + 0.5;
    example.give(m, AdapterRole::kDoraScale);
    const Matrix v = example.changed(1.0);
    for (const double s : kStrengths) {
      example.expect(Consumer::kComfyUi, s, [&](size_t i, size_t j) {
        const double merged =
            m[static_cast<int64_t>(i)].item<double>() / (row_norm(example.w0, i) + kEps) * v[i][j];
        return example.w0[i][j] + s * (merged - example.w0[i][j]);
      });
    }
  }
}

TEST(Consumer, ColumnsAreRightInTheUserInterfaces) {
  for (const auto& [out, in] : {std::pair{3, 4}, {4, 4}}) {
    Example example(out, in);
    const at::Tensor m = at::rand({1, in}) + 0.5;
    example.give(m, AdapterRole::kDoraScale);
    const Matrix v = example.changed(1.0);
    for (const Consumer consumer :
         {Consumer::kComfyUi, Consumer::kA1111, Consumer::kInvokeAi, Consumer::kSdNext}) {
      for (const double s : kStrengths) {
        example.expect(consumer, s, [&](size_t i, size_t j) {
          const double merged =
              m[0][static_cast<int64_t>(j)].item<double>() / column_norm(v, j) * v[i][j];
          return example.w0[i][j] + s * (merged - example.w0[i][j]);
        });
      }
    }
  }
}

// [out,1] over [1,in] gives [out,in] without an error.
TEST(Consumer, A1111ScramblesRows) {
  for (const Consumer consumer : {Consumer::kA1111, Consumer::kInvokeAi}) {
    Example example(3, 4);
    const at::Tensor m = at::rand({3, 1}) + 0.5;
    example.give(m, AdapterRole::kDoraScale);
    const Matrix v = example.changed(1.0);
    example.expect(consumer, 1.0, [&](size_t i, size_t j) {
      return m[static_cast<int64_t>(i)].item<double>() / column_norm(v, j) * v[i][j];
    });
  }
}

TEST(Consumer, SdNextAndLycorisReadRows) {
  for (const auto& [out, in] : {std::pair{3, 4}, {4, 4}}) {
    Example example(out, in);
    const at::Tensor m = at::rand({out, 1}) + 0.5;
    const Matrix v = example.changed(1.0);
    for (const AdapterRole role : {AdapterRole::kDoraScale, AdapterRole::kMagnitudeVector}) {
      example.give(role == AdapterRole::kDoraScale ? m : m.flatten(), role);
      for (const double s : kStrengths) {
        example.expect(Consumer::kSdNext, s, [&](size_t i, size_t j) {
          const double merged =
              m[static_cast<int64_t>(i)].item<double>() / row_norm(v, i) * v[i][j];
          return example.w0[i][j] + s * (merged - example.w0[i][j]);
        });
      }
    }
    example.give(m, AdapterRole::kDoraScale);
    for (const double s : kStrengths) {
      example.expect(Consumer::kLycoris, s, [&](size_t i, size_t j) {
        const double gain = m[static_cast<int64_t>(i)].item<double>() / (row_norm(v, i) + kEps);
        return (s * (gain - 1) + 1) * v[i][j];
      });
    }
  }
}

TEST(Consumer, AMagnitudeWithoutAxisFailsOrIsScrambledInComfyUi) {
  Example oblong(3, 4);
  oblong.give(at::rand({3}) + 0.5, AdapterRole::kDoraScale);
  EXPECT_FALSE(testing::message_of([&] { oblong.by(Consumer::kComfyUi, 1.0); }).empty());
  Example square(4, 4);
  const at::Tensor m = at::rand({4}) + 0.5;
  square.give(m, AdapterRole::kDoraScale);
  const Matrix v = square.changed(1.0);
  square.expect(Consumer::kComfyUi, 1.0, [&](size_t i, size_t j) {
    return m[static_cast<int64_t>(j)].item<double>() / (row_norm(square.w0, i) + kEps) * v[i][j];
  });
}

TEST(Consumer, MergersWithoutDoraIgnoreMagnitudes) {
  Example example(3, 4);
  example.give(at::rand({3, 1}) + 0.5, AdapterRole::kDoraScale);
  const Matrix plain = example.changed(1.0);
  for (const Consumer consumer : {Consumer::kKohyaMerge, Consumer::kStableDiffusionCpp}) {
    example.expect(consumer, 1.0, [&](size_t i, size_t j) { return plain[i][j]; });
  }
}

TEST(Consumer, FactorsOfPointConvolutionsAreMatrices) {
  Example example(3, 4);
  example.module.down = example.module.down.unsqueeze(-1).unsqueeze(-1);
  example.module.up = example.module.up.unsqueeze(-1).unsqueeze(-1);
  const Matrix want = example.changed(1.0);
  example.expect(Consumer::kComfyUi, 1.0, [&](size_t i, size_t j) { return want[i][j]; });
}

TEST(Consumer, NamesDecideWhoReadsAFile) {
  const Example kohya(3, 4);
  const Example dotted(3, 4, AdapterLayout::kDiffusers);
  const Example peft(3, 4, AdapterLayout::kPeft);
  const auto reads = [](Consumer consumer, const Example& example) {
    return unread_reason(consumer, example.file, example.module).empty();
  };
  for (const Consumer consumer : all_consumers()) {
    EXPECT_EQ(reads(consumer, peft), consumer == Consumer::kPeft);
    EXPECT_EQ(reads(consumer, kohya), consumer != Consumer::kPeft);
    EXPECT_EQ(reads(consumer, dotted),
              consumer == Consumer::kDiffusers || consumer == Consumer::kSdNext);
  }
  Example text(3, 4, AdapterLayout::kDiffusers);
  text.module.key = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight";
  EXPECT_TRUE(reads(Consumer::kComfyUi, text));
}

TEST(ConsumerLayouts, BarePathsAreComfyUisAlone) {
  StoredAdapter file;
  file.layout = AdapterLayout::kComfyUi;
  StoredModule module;
  module.key = "diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_q.lora_up.weight";
  module.down = at::ones({1, 2});
  module.up = at::ones({2, 1});
  for (const Consumer consumer : all_consumers()) {
    EXPECT_EQ(unread_reason(consumer, file, module).empty(), consumer == Consumer::kComfyUi)
        << consumer_title(consumer);
  }
}

}  // namespace
}  // namespace dorabooth::consumer_test
