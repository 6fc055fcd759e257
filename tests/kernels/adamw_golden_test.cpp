// AdamW and clipping over a flat buffer against torch's recorded steps (fixtures/README.md section
// 10).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "src/tensorfile/safetensors.h"
#include "tests/kernels/core_harness.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::adamw_golden_test {
namespace {

constexpr double kTolerance = 1e-5;  // fixtures/README.md section 13, optimizers.safetensors

std::vector<float> floats(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry& entry = file.at(name);
  std::vector<float> values(static_cast<size_t>(entry.numel()));
  std::memcpy(values.data(), file.data(entry), values.size() * sizeof(float));
  return values;
}

struct Parameter {
  std::string name;
  size_t begin = 0;  // in the flat buffer
  std::vector<float> start, target, noise, expected;
  int64_t steps_done = 0;

  size_t size() const { return start.size(); }
  // Without a gradient AdamW leaves a parameter as it is; with one it always moves.
  bool has_gradient(size_t step) const {
    const auto now = expected.begin() + static_cast<std::ptrdiff_t>(step * size());
    const auto before = step == 0 ? start.begin() : now - static_cast<std::ptrdiff_t>(size());
    return !std::equal(before, before + static_cast<std::ptrdiff_t>(size()), now);
  }
};

std::vector<Parameter> parameters(const SafetensorsFile& file, const std::string& optimizer) {
  std::vector<Parameter> found;
  size_t end = 0;
  for (const TensorEntry& entry : file.entries()) {
    if (entry.name.rfind("start.", 0) != 0) continue;
    Parameter parameter;
    parameter.name = entry.name.substr(6);
    parameter.begin = end;
    parameter.start = floats(file, entry.name);
    parameter.target = floats(file, "target." + parameter.name);
    parameter.noise = floats(file, "noise." + parameter.name);
    parameter.expected = floats(file, optimizer + "." + parameter.name);
    end += (parameter.size() + 3) / 4 * 4;
    found.push_back(parameter);
  }
  return found;
}

void check_optimizer(const Backend& backend, const SafetensorsFile& file, const std::string& name,
                     const nlohmann::json& settings, size_t steps) {
  SCOPED_TRACE(backend.name + ", " + name);
  std::vector<Parameter> all = parameters(file, name);
  const size_t total = all.back().begin + (all.back().size() + 3) / 4 * 4;
  std::vector<float> flat(total);
  for (const Parameter& p : all)
    std::copy(p.start.begin(), p.start.end(), flat.begin() + static_cast<std::ptrdiff_t>(p.begin));
  const auto memory = backend.memory();
  AdamWArgs args;
  args.on = backend.on;
  args.parameter = memory->put(flat);
  args.exp_avg = memory->put(std::vector<float>(total));
  args.exp_avg_sq = memory->put(std::vector<float>(total));
  args.beta1 = settings.at("betas")[0];
  args.beta2 = settings.at("betas")[1];
  args.epsilon = settings.at("eps");
  for (size_t step = 0; step < steps; ++step) {
    flat = memory->get(args.parameter, total);
    std::vector<float> gradient(total);
    std::vector<AdamWSegment> segments;
    for (Parameter& p : all) {
      if (!p.has_gradient(step)) continue;
      for (size_t i = 0; i < p.size(); ++i) {
        gradient[p.begin + i] = (flat[p.begin + i] - p.target[i]) + p.noise[step * p.size() + i];
      }
      segments.push_back({static_cast<int64_t>(p.begin), static_cast<int64_t>(p.begin + p.size()),
                          ++p.steps_done, settings.at("lr"), settings.at("weight_decay")});
    }
    float* const gradient_place = memory->put(gradient);
    if (settings.contains("clip")) {
      L2NormArgs norm;
      norm.on = backend.on;
      norm.data = gradient_place;
      norm.count = static_cast<int64_t>(total);
      norm.workspace =
          memory->put(std::vector<double>(static_cast<size_t>(l2_norm_workspace(norm.count))));
      norm.norm = memory->put(std::vector<double>(1));
      backend.core->l2_norm(norm);
      const double expected_norm = settings.at("grad_norm_before_clip")[step];
      EXPECT_NEAR(memory->get(norm.norm, 1)[0], expected_norm, kTolerance * expected_norm);
      ScaleArgs clip;
      clip.on = backend.on;
      clip.data = gradient_place;
      clip.count = norm.count;
      clip.norm = norm.norm;
      clip.max_norm = settings.at("clip");
      backend.core->scale(clip);
    }
    args.gradient = gradient_place;
    args.segments = segments.data();
    args.segment_count = static_cast<int64_t>(segments.size());
    backend.core->adamw(args);
    flat = memory->get(args.parameter, total);
    for (const Parameter& p : all) {
      for (size_t i = 0; i < p.size(); ++i) {
        ASSERT_NEAR(flat[p.begin + i], p.expected[step * p.size() + i], kTolerance)
            << p.name << "[" << i << "] after step " << step;
      }
    }
  }
}

TEST(AdamWGolden, EveryStepEqualsTorch) {
  const nlohmann::json description = fixture_json("training/optimizers.json");
  const SafetensorsFile file(fixture_path("training/optimizers.safetensors"));
  int checked = 0;
  for (const auto& [name, settings] : description.at("optimizers").items()) {
    if (settings.at("kind") != "adamw") continue;
    ++checked;
    for (const Backend& backend : backends()) {
      check_optimizer(backend, file, name, settings, description.at("steps"));
    }
  }
  EXPECT_GT(checked, 0);
}

}  // namespace
}  // namespace dorabooth::testing::adamw_golden_test
