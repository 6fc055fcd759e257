// Every scheduler case of the golden data: configuration, timesteps, sigmas and whole trajectories.
#include "src/scheduler/scheduler.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "src/base/error.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::scheduler_golden_test {
namespace {

using nlohmann::json;
using testing::expect_close;
using testing::fixture_json;
using testing::GoldenFile;

// Hands out the stored draws one after the other.
class StoredNoise : public NoiseSource {
 public:
  explicit StoredNoise(at::Tensor draws) : draws_(std::move(draws)) {}
  at::Tensor draw(at::IntArrayRef sizes, at::ScalarType dtype) override {
    const at::Tensor next = draws_[count_++];
    if (next.sizes() != sizes) fail("a draw of another shape than the stored noise");
    return next.to(dtype);
  }
  int64_t count() const { return count_; }

 private:
  at::Tensor draws_;
  int64_t count_ = 0;
};

double number_of(const json& value) {
  if (!value.is_string()) return value.get<double>();
  return value == "inf" ? INFINITY : -INFINITY;
}

std::unique_ptr<Scheduler> scheduler_of(const std::string& name, const json& scheduler_case) {
  const SchedulerConfig config =
      parse_scheduler_config(scheduler_case.at("constructor"), name + ": constructor");
  StepOptions options;
  for (const auto& [key, value] : scheduler_case.at("step_args").items()) {
    EXPECT_EQ(key, "eta") << name << ": this test does not know the step argument";
    options.eta = value.get<double>();
  }
  return make_scheduler(scheduler_case.at("cls").get<std::string>(), config, options);
}

// Whether sigmas at integer timesteps, which are nothing but square roots, have the reference's
// bits: the last one of torch's vector square root depends on the vendor of the CPU, and the
// reference was computed on one of them.
bool square_roots_are_the_references(const json& cases, const GoldenFile& golden) {
  for (const auto& [name, scheduler_case] : cases.items()) {
    if (!golden.contains(name + ".sigmas")) continue;
    const auto scheduler = scheduler_of(name, scheduler_case);
    if (scheduler->config().use_karras_sigmas) continue;
    scheduler->set_timesteps(scheduler_case.at("num_inference_steps").get<int64_t>());
    if (!at::equal(at::tensor(scheduler->sigmas()), golden.at(name + ".sigmas"))) return false;
  }
  return true;
}

// Exact; but a fractional timestep is interpolated in log sigma, and shows the last bit of a square
// root from a CPU of another vendor than the reference's.
void expect_timesteps(const std::vector<double>& actual, const std::vector<double>& expected,
                      bool same_square_roots, const std::string& name) {
  ASSERT_EQ(actual.size(), expected.size()) << name;
  for (size_t i = 0; i < actual.size(); ++i) {
    const bool fractional = expected[i] != std::floor(expected[i]);
    const double bound = fractional && !same_square_roots ? 1e-6 * expected[i] : 0;
    EXPECT_NEAR(actual[i], expected[i], bound) << name << " step " << i;
  }
}

TEST(SchedulerGolden, ConfigsResolveAsInTheReference) {
  const json cases = fixture_json("schedulers.json").at("cases");
  for (const auto& [name, scheduler_case] : cases.items()) {
    const auto scheduler = scheduler_of(name, scheduler_case);
    const json& want = scheduler_case.at("config");
    // Parsing refuses a value that the sampler does not compute.
    parse_scheduler_config(want, name + ": config");
    for (const auto& [key, value] : want.items()) {
      const Field* field = scheduler_fields().find(key);
      if (!field) continue;
      EXPECT_EQ(scheduler_fields().get(&scheduler->config(), *field), value) << name << " " << key;
    }
  }
}

TEST(SchedulerGolden, TimestepsAreExactAndSigmasClose) {
  const json cases = fixture_json("schedulers.json").at("cases");
  ASSERT_FALSE(cases.empty());
  const GoldenFile golden("schedulers.safetensors");
  const bool same_square_roots = square_roots_are_the_references(cases, golden);
  for (const auto& [name, scheduler_case] : cases.items()) {
    const auto scheduler = scheduler_of(name, scheduler_case);
    scheduler->set_timesteps(scheduler_case.at("num_inference_steps").get<int64_t>());
    expect_timesteps(scheduler->timesteps(),
                     scheduler_case.at("timesteps").get<std::vector<double>>(), same_square_roots,
                     name);
    const double sigma = number_of(scheduler_case.at("init_noise_sigma"));
    EXPECT_NEAR(scheduler->init_noise_sigma(), sigma, 1e-5 * sigma) << name;
    if (golden.contains(name + ".sigmas")) {
      expect_close(at::tensor(scheduler->sigmas()), golden.at(name + ".sigmas"), 0, 1e-5,
                   name + ".sigmas");
    } else {
      EXPECT_TRUE(scheduler->sigmas().empty()) << name;
    }
  }
}

TEST(SchedulerGolden, TrajectoriesAreTheReferences) {
  const json fixture = fixture_json("schedulers.json");
  const GoldenFile golden("schedulers.safetensors");
  const double a = fixture.at("a").get<double>();
  const float b = fixture.at("b").get<float>();
  for (const auto& [name, scheduler_case] : fixture.at("cases").items()) {
    const auto scheduler = scheduler_of(name, scheduler_case);
    scheduler->set_timesteps(scheduler_case.at("num_inference_steps").get<int64_t>());
    StoredNoise noise(golden.at("step_noise"));
    at::Tensor x = golden.at("initial_noise") * scheduler->init_noise_sigma();
    std::vector<at::Tensor> states = {x};
    for (size_t i = 0; i < scheduler->timesteps().size(); ++i) {
      const at::Tensor input = scheduler->scale_model_input(x, i);
      const float weight = static_cast<float>(a * std::cos(scheduler->timesteps()[i] / 1000));
      x = scheduler->step(input * weight + b, i, x, noise);
      states.push_back(x);
    }
    const double absmax = scheduler_case.at("absmax").get<double>();
    expect_close(at::stack(states), golden.at(name + ".trajectory"), 1e-5 * absmax, 0, name);
    EXPECT_EQ(noise.count(), scheduler_case.at("noise_draws").get<int64_t>()) << name;
  }
}

}  // namespace
}  // namespace dorabooth::scheduler_golden_test
