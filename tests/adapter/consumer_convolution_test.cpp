// The formulas of other programs over convolutions and over algebras beside LoRA, written out here
// by numbers: a row is an output channel with its window, a column an input channel with its own.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "src/adapter/consumer.h"
#include "src/base/error.h"

namespace dorabooth::consumer_convolution_test {
namespace {

using Role = AdapterRole;
using Formula = std::function<double(int64_t o, int64_t i, int64_t y, int64_t x)>;

constexpr double kEps = 1.1920928955078125e-07;
constexpr double kStrengths[] = {0.0, 0.5, 1.0};
const std::string kModule = "unet.down_blocks.1.resnets.0.conv1";

double at4(const at::Tensor& t, int64_t a, int64_t b, int64_t c, int64_t d) {
  return t[a][b][c][d].item<double>();
}

// ‖row o‖ and ‖column i‖ of a convolution.
double row_norm(const at::Tensor& w, int64_t o) {
  double sum = 0;
  for (int64_t i = 0; i < w.size(1); ++i)
    for (int64_t y = 0; y < w.size(2); ++y)
      for (int64_t x = 0; x < w.size(3); ++x) sum += std::pow(at4(w, o, i, y, x), 2);
  return std::sqrt(sum);
}
double column_norm(const at::Tensor& w, int64_t i) {
  double sum = 0;
  for (int64_t o = 0; o < w.size(0); ++o)
    for (int64_t y = 0; y < w.size(2); ++y)
      for (int64_t x = 0; x < w.size(3); ++x) sum += std::pow(at4(w, o, i, y, x), 2);
  return std::sqrt(sum);
}

// A convolution [out, in, 2, 2] with a module of rank 2 and alpha 3.
struct Convolution {
  explicit Convolution(int64_t out, int64_t in) {
    at::manual_seed(out * 10 + in);
    weight = at::randn({out, in, 2, 2});
    module.key = "lora_unet_x.lora_down.weight";
    module.down = at::randn({2, in, 2, 2});
    module.up = at::randn({out, 2, 1, 1});
    module.alpha = 3.0;
    file.layout = AdapterLayout::kKohya;
  }

  void give(const at::Tensor& magnitude, Role role = Role::kDoraScale) {
    module.magnitude = magnitude;
    module.magnitude_role = role;
  }

  // W0 + s·ΔW; LoCon's ΔW is the 1×1 convolution `up` after `down`.
  at::Tensor changed(double s) const {
    at::Tensor result = weight.clone();
    for (int64_t o = 0; o < weight.size(0); ++o)
      for (int64_t i = 0; i < weight.size(1); ++i)
        for (int64_t y = 0; y < 2; ++y)
          for (int64_t x = 0; x < 2; ++x)
            for (int64_t r = 0; r < 2; ++r)
              result[o][i][y][x] +=
                  s * 1.5 * at4(module.up, o, r, 0, 0) * at4(module.down, r, i, y, x);
    return result;
  }

  void expect(Consumer consumer, double strength, const Formula& formula) const {
    SCOPED_TRACE(concat(consumer_title(consumer), " at ", strength));
    EXPECT_EQ(unread_reason(consumer, file, module), "");
    EXPECT_EQ(unknown_kind(consumer, file, module, weight.dim()), "");
    const at::Tensor actual = consumer_weight(consumer, file, kModule, module, weight, strength);
    ASSERT_EQ(actual.sizes(), weight.sizes());
    for (int64_t o = 0; o < weight.size(0); ++o)
      for (int64_t i = 0; i < weight.size(1); ++i)
        for (int64_t y = 0; y < weight.size(2); ++y)
          for (int64_t x = 0; x < weight.size(3); ++x)
            EXPECT_NEAR(at4(actual, o, i, y, x), formula(o, i, y, x), 2e-5);
  }

  StoredAdapter file;
  StoredModule module;
  at::Tensor weight;
};

TEST(ConsumerConvolution, APlainLoraIsTheSameInAllThatReadIt) {
  const Convolution own(3, 4);
  for (const double s : kStrengths) {
    const at::Tensor want = own.changed(s);
    for (const Consumer consumer :
         {Consumer::kComfyUi, Consumer::kA1111, Consumer::kInvokeAi, Consumer::kSdNext,
          Consumer::kLycoris, Consumer::kKohyaMerge, Consumer::kStableDiffusionCpp}) {
      own.expect(consumer, s,
                 [&](int64_t o, int64_t i, int64_t y, int64_t x) { return at4(want, o, i, y, x); });
    }
  }
  // How diffusers' converter takes kohya's names of convolutions is not known here.
  EXPECT_NE(unknown_kind(Consumer::kDiffusers, own.file, own.module, 4), "");
  EXPECT_EQ(unknown_kind(Consumer::kDiffusers, own.file, own.module, 2), "");
}

TEST(ConsumerConvolution, PeftHasANumberForEachOutputChannel) {
  for (const AdapterLayout layout : {AdapterLayout::kPeft, AdapterLayout::kDiffusers}) {
    Convolution own(3, 4);
    own.file.layout = layout;
    const at::Tensor m = at::rand({1, 3, 1, 1}) + 0.5;
    own.give(m, Role::kMagnitudeVector);
    for (const double s : kStrengths) {
      const at::Tensor v = own.changed(s);
      own.expect(layout == AdapterLayout::kPeft ? Consumer::kPeft : Consumer::kDiffusers, s,
                 [&](int64_t o, int64_t i, int64_t y, int64_t x) {
                   return at4(m, 0, o, 0, 0) / row_norm(v, o) * at4(v, o, i, y, x);
                 });
    }
    EXPECT_NE(unknown_kind(Consumer::kSdNext, own.file, own.module, 4), "");
  }
}

TEST(ConsumerConvolution, RowsAreRightInSdNextAndLycorisAndByTheBasesNormInComfyUi) {
  for (const int64_t in : {4, 3}) {
    Convolution own(3, in);
    const at::Tensor m = at::rand({3, 1, 1, 1}) + 0.5;
    own.give(m);
    const at::Tensor v = own.changed(1.0);
    for (const double s : kStrengths) {
      const auto between = [&](double norm, int64_t o, int64_t i, int64_t y, int64_t x) {
        const double before = at4(own.weight, o, i, y, x);
        return before + s * (at4(m, o, 0, 0, 0) / norm * at4(v, o, i, y, x) - before);
      };
      own.expect(Consumer::kSdNext, s, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
        return between(row_norm(v, o), o, i, y, x);
      });
      own.expect(Consumer::kComfyUi, s, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
        return between(row_norm(own.weight, o) + kEps, o, i, y, x);
      });
      own.expect(Consumer::kLycoris, s, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
        const double gain = at4(m, o, 0, 0, 0) / (row_norm(v, o) + kEps);
        return (s * (gain - 1) + 1) * at4(v, o, i, y, x);
      });
    }
  }
}

TEST(ConsumerConvolution, ColumnsAreRightInTheUserInterfacesWhichScrambleRows) {
  Convolution own(3, 4);
  const at::Tensor m = at::rand({1, 4, 1, 1}) + 0.5;
  own.give(m);
  const at::Tensor v = own.changed(1.0);
  for (const Consumer consumer :
       {Consumer::kComfyUi, Consumer::kA1111, Consumer::kInvokeAi, Consumer::kSdNext}) {
    for (const double s : kStrengths) {
      own.expect(consumer, s, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
        const double before = at4(own.weight, o, i, y, x);
        const double merged = at4(m, 0, i, 0, 0) / column_norm(v, i) * at4(v, o, i, y, x);
        return before + s * (merged - before);
      });
    }
  }
  const at::Tensor rows = at::rand({3, 1, 1, 1}) + 0.5;
  own.give(rows);
  for (const Consumer consumer : {Consumer::kA1111, Consumer::kInvokeAi}) {
    own.expect(consumer, 1.0, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
      return at4(rows, o, 0, 0, 0) / column_norm(v, i) * at4(v, o, i, y, x);
    });
  }
}

TEST(ConsumerConvolution, TuckerLohaAndLokrAreKnownOfComfyUiAndLycorisAlone) {
  at::manual_seed(4);
  const auto numbers = [](at::IntArrayRef shape) { return at::randn(shape); };
  Convolution tucker(3, 4);
  tucker.module.down = numbers({2, 4, 1, 1});
  tucker.module.factors[Role::kMid] = numbers({2, 2, 2, 2});
  const auto product_of_three = [&](int64_t o, int64_t i, int64_t y, int64_t x) {
    double sum = 0;
    for (int64_t p = 0; p < 2; ++p)
      for (int64_t q = 0; q < 2; ++q)
        sum += at4(tucker.module.up, o, p, 0, 0) *
               at4(tucker.module.factors.at(Role::kMid), p, q, y, x) *
               at4(tucker.module.down, q, i, 0, 0);
    return 1.5 * sum;
  };

  Convolution loha(3, 4);
  loha.module.algebra = Algebra::kLoha;
  loha.module.down = loha.module.up = at::Tensor();
  for (const Role role : {Role::kHadaW1A, Role::kHadaW2A})
    loha.module.factors[role] = numbers({3, 2});
  for (const Role role : {Role::kHadaW1B, Role::kHadaW2B})
    loha.module.factors[role] = numbers({2, 16});
  const auto entry = [&](Role a, Role b, int64_t o, int64_t column) {
    double sum = 0;
    for (int64_t r = 0; r < 2; ++r)
      sum += loha.module.factors.at(a)[o][r].item<double>() *
             loha.module.factors.at(b)[r][column].item<double>();
    return sum;
  };
  const auto hadamard = [&](int64_t o, int64_t i, int64_t y, int64_t x) {
    const int64_t column = (i * 2 + y) * 2 + x;
    return 1.5 * entry(Role::kHadaW1A, Role::kHadaW1B, o, column) *
           entry(Role::kHadaW2A, Role::kHadaW2B, o, column);
  };

  Convolution lokr(6, 4);
  lokr.module.algebra = Algebra::kLokr;
  lokr.module.down = lokr.module.up = at::Tensor();
  lokr.module.factors[Role::kLokrW1] = numbers({2, 2});
  lokr.module.factors[Role::kLokrW2] = numbers({3, 2, 2, 2});
  // Alpha counts only beside a factored part.
  const auto kronecker = [&](int64_t o, int64_t i, int64_t y, int64_t x) {
    return lokr.module.factors.at(Role::kLokrW1)[o / 3][i / 2].item<double>() *
           at4(lokr.module.factors.at(Role::kLokrW2), o % 3, i % 2, y, x);
  };

  for (const auto& [own, update] :
       {std::pair<const Convolution*, Formula>{&tucker, product_of_three},
        {&loha, hadamard},
        {&lokr, kronecker}}) {
    for (const Consumer consumer : all_consumers()) {
      const bool known = consumer == Consumer::kComfyUi || consumer == Consumer::kLycoris;
      if (consumer == Consumer::kPeft) continue;  // it reads its own folders
      EXPECT_EQ(unknown_kind(consumer, own->file, own->module, 4).empty(), known)
          << consumer_title(consumer);
      if (!known) continue;
      for (const double s : kStrengths) {
        own->expect(consumer, s, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
          return at4(own->weight, o, i, y, x) + s * update(o, i, y, x);
        });
      }
    }
  }
}

TEST(ConsumerConvolution, WholeDifferencesAddAndAReplacementStandsAtEveryStrength) {
  Convolution own(3, 4);
  own.module.algebra = Algebra::kDifference;
  own.module.down = own.module.up = at::Tensor();
  const at::Tensor difference = at::randn({3, 4, 2, 2});
  own.module.factors = {{Role::kDifference, difference}};
  for (const Consumer consumer : {Consumer::kComfyUi, Consumer::kA1111, Consumer::kInvokeAi}) {
    own.expect(consumer, 0.5, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
      return at4(own.weight, o, i, y, x) + 0.5 * at4(difference, o, i, y, x);
    });
  }
  EXPECT_NE(unknown_kind(Consumer::kLycoris, own.file, own.module, 4), "");
  own.module.algebra = Algebra::kReplacement;
  own.module.factors = {{Role::kReplacement, difference}};
  own.expect(Consumer::kComfyUi, 0.5, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
    return at4(difference, o, i, y, x);
  });

  StoredModule bias;
  bias.algebra = Algebra::kNormDifference;
  bias.factors = {{Role::kNormBiasDifference, at::randn({3})}};
  const at::Tensor before = at::randn({3});
  const at::Tensor after =
      consumer_weight(Consumer::kComfyUi, own.file, kModule + ".bias", bias, before, 0.5);
  for (int64_t o = 0; o < 3; ++o) {
    EXPECT_NEAR(after[o].item<double>(),
                before[o].item<double>() + 0.5 * bias.factors.begin()->second[o].item<double>(),
                1e-6);
  }
  EXPECT_NE(unknown_kind(Consumer::kA1111, own.file, bias, 1), "");
}

TEST(ConsumerConvolution, AFileIsRefusedByDiffusersForOneKeyWithoutItsWord) {
  Convolution own(3, 4);
  own.file.keys = {"lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight"};
  EXPECT_EQ(unread_reason(Consumer::kDiffusers, own.file, own.module), "");
  own.file.keys.push_back("bundle_emb.<s0>.clip_l");
  EXPECT_NE(unread_reason(Consumer::kDiffusers, own.file, own.module).find("bundle_emb"),
            std::string::npos);
  EXPECT_EQ(unread_reason(Consumer::kComfyUi, own.file, own.module), "");
  own.file.keys = {"lora_unet_x.lora_up.weight", "lycoris_x.lora_up.weight"};
  EXPECT_NE(unread_reason(Consumer::kDiffusers, own.file, own.module).find("lycoris_x"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::consumer_convolution_test
