// The compose step and its backward against double precision, in every type and form of the
// arguments.
#include <cmath>

#include "tests/kernels/core_harness.h"

namespace dorabooth::testing::compose_kernels_test {
namespace {

struct Shape {
  int64_t tokens, out;
  size_t count() const { return static_cast<size_t>(tokens * out); }
};

constexpr Shape kShapes[] = {{3, 5}, {77, 64}, {70, 1288}, {130, 17}};

struct Form {
  const char* name;
  bool gain, bias, has_bias, dropped;
};

constexpr Form kForms[] = {
    {"lora", false, true, false, false},
    {"lora over a finished base", false, true, true, false},
    {"dora", true, true, false, false},
    {"dora without bias", true, false, false, false},
    {"dora over a finished base", true, true, true, false},
    {"dora with dropout", true, true, false, true},
    {"dora with dropout over a finished base", true, true, true, true},
};

struct Inputs {
  std::vector<float> base, lora, dropped, gain, bias;

  Inputs(const Shape& shape, ElementType type, ElementType lora_type)
      : base(rounded(type, normal_values("base", shape.count()))),
        lora(rounded(lora_type, normal_values("lora", shape.count(), 0.3f))),
        dropped(rounded(type, normal_values("dropped", shape.count()))),
        gain(normal_values("gain", static_cast<size_t>(shape.out), 0.1f)),
        bias(rounded(type, normal_values("bias", static_cast<size_t>(shape.out)))) {
    for (float& g : gain) g += 1.0f;
  }
};

// The formula of the header for one element, in T, each operation through `round`.
template <typename T, typename Round>
T composed(const Form& form, const Inputs& in, size_t at, size_t column, T s, const Round& round) {
  const T base = static_cast<T>(in.base[at]);
  const T bias = form.bias ? static_cast<T>(in.bias[column]) : T{0};
  const T lora = round(s * static_cast<T>(in.lora[at]));
  const T missing = form.has_bias ? T{0} : bias;
  if (!form.gain) return round(round(base + lora) + missing);
  const T gain = static_cast<T>(in.gain[column]);
  const T plain = form.has_bias ? round(base - bias) : base;
  if (!form.dropped) return round(round(gain * round(plain + lora)) + bias);
  const T correction =
      round(round((gain - T{1}) * static_cast<T>(in.dropped[at])) + round(gain * lora));
  return round(round(base + correction) + missing);
}

std::vector<float> run_forward(const Backend& backend, const Shape& shape, const Form& form,
                               const Inputs& in, ElementType type, ElementType lora_type, float s) {
  const auto memory = backend.memory();
  ComposeForwardArgs args;
  args.on = backend.on;
  args.base = memory->put_as(type, in.base);
  args.type = type;
  args.lora = memory->put_as(lora_type, in.lora);
  args.lora_type = lora_type;
  if (form.dropped) args.dropped = memory->put_as(type, in.dropped);
  if (form.gain) args.gain = memory->put(in.gain);
  if (form.bias) args.bias = memory->put_as(type, in.bias);
  args.bias_type = type;
  args.base_has_bias = form.has_bias;
  args.scale = s;
  args.tokens = shape.tokens;
  args.out = shape.out;
  backend.core->compose_forward(args);
  return memory->get_as(type, args.base, shape.count());
}

void check_forward(const Shape& shape, const Form& form, ElementType type, ElementType lora_type) {
  const Inputs in(shape, type, lora_type);
  const float s = 0.75f;
  std::vector<double> exact;
  std::vector<float> naive;
  const auto to_type = [&](float value) { return rounded(type, {value})[0]; };
  for (size_t at = 0; at < shape.count(); ++at) {
    const size_t column = at % static_cast<size_t>(shape.out);
    exact.push_back(composed<double>(form, in, at, column, static_cast<double>(s),
                                     [](double value) { return value; }));
    naive.push_back(composed<float>(form, in, at, column, s, to_type));
  }
  for (const Backend& backend : backends()) {
    SCOPED_TRACE(backend.name + ", " + form.name + ", " + type_name(type) + ", lora " +
                 type_name(lora_type) + ", out " + std::to_string(shape.out));
    expect_within_twice_naive(run_forward(backend, shape, form, in, type, lora_type, s), naive,
                              exact, type);
  }
}

TEST(ComposeForward, EqualsDoublePrecisionInEveryForm) {
  for (const Shape& shape : kShapes) {
    for (const Form& form : kForms) {
      check_forward(shape, form, ElementType::kFloat32, ElementType::kFloat32);
    }
  }
}

TEST(ComposeForward, EqualsDoublePrecisionInEveryType) {
  for (const Shape& shape : {kShapes[0], kShapes[1]}) {
    for (const Form& form : kForms) {
      for (const ElementType type : {ElementType::kFloat16, ElementType::kBFloat16}) {
        check_forward(shape, form, type, ElementType::kFloat32);
        check_forward(shape, form, type, type);
      }
    }
  }
}

TEST(ComposeForward, GainOneAndNoUpdateLeaveTheBaseBitForBit) {
  const Shape shape{33, 72};
  for (const ElementType type : kTypes) {
    Inputs in(shape, type, type);
    std::fill(in.gain.begin(), in.gain.end(), 1.0f);
    std::fill(in.lora.begin(), in.lora.end(), 0.0f);
    std::vector<float> with_bias(in.base.size());
    for (size_t at = 0; at < in.base.size(); ++at) {
      with_bias[at] = in.base[at] + in.bias[at % static_cast<size_t>(shape.out)];
    }
    with_bias = rounded(type, with_bias);
    for (const Backend& backend : backends()) {
      for (const Form& form : kForms) {
        SCOPED_TRACE(backend.name + ", " + form.name + ", " + type_name(type));
        const bool adds_bias = form.bias && !form.has_bias;
        EXPECT_EQ(run_forward(backend, shape, form, in, type, type, 0.7f),
                  adds_bias ? with_bias : in.base);
      }
    }
  }
}

struct Gradients {
  std::vector<float> dyg, dm;
  std::vector<uint8_t> flagged;
};

struct BackwardInputs {
  std::vector<float> dy, value, bias, gain, divisor;
};

Gradients run_backward(const Backend& backend, const Shape& shape, ElementType type,
                       const BackwardInputs& in, bool in_place) {
  const auto memory = backend.memory();
  const auto out = static_cast<size_t>(shape.out);
  ComposeBackwardArgs args;
  args.on = backend.on;
  void* dy = memory->put_as(type, in.dy);
  args.dy = dy;
  args.type = type;
  args.value = memory->put_as(type, in.value);
  args.value_type = type;
  args.bias = memory->put_as(type, in.bias);
  args.bias_type = type;
  args.gain = memory->put(in.gain);
  args.divisor = memory->put(in.divisor);
  args.bound = 1e-6f;
  args.tokens = shape.tokens;
  args.out = shape.out;
  args.dyg = in_place ? dy : memory->put_as(type, std::vector<float>(shape.count()));
  args.dm = memory->put(std::vector<float>(out, -1.0f));
  args.flagged = memory->put(std::vector<uint8_t>(out, 7));
  args.workspace = memory->put(std::vector<double>(
      static_cast<size_t>(compose_backward_workspace(shape.tokens, shape.out))));
  backend.core->compose_backward(args);
  return {memory->get_as(type, args.dyg, shape.count()), memory->get(args.dm, out),
          memory->get(args.flagged, out)};
}

BackwardInputs backward_inputs(const Shape& shape, ElementType type) {
  const auto out = static_cast<size_t>(shape.out);
  BackwardInputs in{rounded(type, normal_values("dy", shape.count())),
                    rounded(type, normal_values("value", shape.count())),
                    rounded(type, normal_values("bias", out, 0.2f)), normal_values("gain", out),
                    normal_values("divisor", out)};
  for (float& m : in.divisor) m = std::copysign(std::fabs(m) + 0.5f, m);
  return in;
}

TEST(ComposeBackward, EqualsDoublePrecisionInEveryType) {
  for (const Shape& shape : kShapes) {
    for (const ElementType type : kTypes) {
      const BackwardInputs in = backward_inputs(shape, type);
      const auto out = static_cast<size_t>(shape.out);
      std::vector<double> dyg_exact, dm_exact(out);
      std::vector<float> dyg_naive, dm_naive(out);
      for (size_t at = 0; at < shape.count(); ++at) {
        const size_t o = at % out;
        dyg_exact.push_back(static_cast<double>(in.dy[at]) * static_cast<double>(in.gain[o]));
        dyg_naive.push_back(rounded(type, {in.dy[at] * in.gain[o]})[0]);
        dm_exact[o] += static_cast<double>(in.dy[at]) *
                       (static_cast<double>(in.value[at]) - static_cast<double>(in.bias[o])) /
                       static_cast<double>(in.divisor[o]);
        dm_naive[o] += in.dy[at] * (in.value[at] - in.bias[o]) / in.divisor[o];
      }
      for (const Backend& backend : backends()) {
        SCOPED_TRACE(backend.name + ", " + type_name(type) + ", out " + std::to_string(shape.out));
        const Gradients got = run_backward(backend, shape, type, in, false);
        expect_within_twice_naive(got.dyg, dyg_naive, dyg_exact, type);
        expect_within_twice_naive(got.dm, dm_naive, dm_exact, ElementType::kFloat32);
        EXPECT_EQ(got.flagged, std::vector<uint8_t>(out, 0));
        const Gradients in_place = run_backward(backend, shape, type, in, true);
        EXPECT_EQ(in_place.dyg, got.dyg);
        EXPECT_EQ(in_place.dm, got.dm);
      }
    }
  }
}

TEST(ComposeBackward, DoesNotDependOnThreadsOrLaneOrder) {
  const Shape shape{517, 1288};
  const BackwardInputs in = backward_inputs(shape, ElementType::kFloat32);
  std::vector<Gradients> got;
  for (const Backend& backend : backends()) {
    got.push_back(run_backward(backend, shape, ElementType::kFloat32, in, false));
  }
  EXPECT_EQ(got[0].dm, got[1].dm);
  EXPECT_EQ(got[0].dyg, got[1].dyg);
  EXPECT_EQ(got[2].dm, got[3].dm);
  EXPECT_EQ(got[2].dm, got[4].dm);
}

TEST(ComposeBackward, FlagsColumnsWhoseDivisorIsTooSmall) {
  const Shape shape{9, 24};
  BackwardInputs in = backward_inputs(shape, ElementType::kFloat32);
  in.divisor[0] = 0.0f;
  in.divisor[11] = -1e-7f;
  for (const Backend& backend : backends()) {
    SCOPED_TRACE(backend.name);
    const Gradients got = run_backward(backend, shape, ElementType::kFloat32, in, false);
    for (size_t o = 0; o < 24; ++o) {
      const bool small = o == 0 || o == 11;
      EXPECT_EQ(got.flagged[o], small ? 1 : 0) << o;
      EXPECT_EQ(got.dm[o] == 0.0f, small) << o;
    }
  }
}

}  // namespace
}  // namespace dorabooth::testing::compose_kernels_test
