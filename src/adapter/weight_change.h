// The paper's weight decomposition analysis (Liu et al. 2024, eq. 2 to 4): how far training moved a
// weight in magnitude and in direction, and how the two go together.
#pragma once

#include <vector>

namespace at {
class Tensor;
}

namespace dorabooth {

// Which vectors of W [out, in] are compared: its rows (one an output feature), as the authors' code
// and PEFT take them, or its columns.
enum class VectorAxis { kOutput, kInput };

struct WeightChange {
  double magnitude = 0.0;  // ΔM, eq. 3: mean over the vectors of |‖w'‖ − ‖w0‖|
  double direction = 0.0;  // ΔD, eq. 4: mean of 1 − cos(w', w0)
};

// In fp64. A convolution's weight counts as [out, in·kh·kw] by rows and [in, out·kh·kw] by columns.
// A vector of zeros has the direction of none: ΔD is 1 against another, 0 against zeros.
WeightChange weight_change(const at::Tensor& w0, const at::Tensor& w, VectorAxis axis);

// ΔM over ΔD.
struct ChangeTrend {
  double pearson = 0.0;  // NaN for fewer than two points, or where one of the two does not vary
  double slope = 0.0;    // of the least-squares line; NaN likewise
  double intercept = 0.0;
};
ChangeTrend change_trend(const std::vector<WeightChange>& changes);

}  // namespace dorabooth
