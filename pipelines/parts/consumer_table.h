// What every program that reads adapter files would make of one, against what the adapter means:
// each consumer's formula, replayed on the file as it was written.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <stop_token>
#include <string>
#include <vector>

#include "pipelines/progress.h"
#include "pipelines/reader_verdict.h"
#include "src/adapter/adapter_contents.h"
#include "src/adapter/consumer.h"
#include "src/model/checkpoint.h"

namespace dorabooth {

// Errors are of a layer's weight, as a share of the change that the adapter makes to it; see
// share_of_change().
struct ConsumerVerdict {
  Consumer consumer = Consumer::kDiffusers;
  int64_t modules = 0;
  int64_t applied = 0;    // modules that it reads, and whose result is shown
  int64_t not_shown = 0;  // modules that it may read, by a formula that is not known here
  std::string reason;     // why it does not read the others
  std::string unknown;    // of what the formula is not known
  // The largest over the layers that it reads.
  double error = 0.0;       // at strength 1
  double error_peft = 0.0;  // at half strength, by PEFT's rule
  double error_lerp = 0.0;  // at half strength, by the interpolating rule
  std::string worst;        // the layer with the largest at strength 1
  std::vector<double>
      by_layer;  // at strength 1, in the order of ConsumerTable::layers; -1: not read or shown

  bool is_right() const;         // all of it is shown and right
  bool is_wrong() const;         // a module is not read, or is off
  std::string sentence() const;  // "right at strength 1; …"
};

struct ConsumerTable {
  std::vector<std::string> layers;        // modules; of a bias's change "<module>.bias"
  std::vector<ConsumerVerdict> verdicts;  // of all_consumers()

  const ConsumerVerdict& of(Consumer consumer) const;
};

// A consumer whose error is up to this is right: fp32's roundings against a small change.
inline constexpr double kRightWithin = 1e-3;

// ‖W_consumer − W'‖/‖W' − W0‖ (Frobenius) from these norms. A layer that hardly moved is measured
// against the least change that counts instead: one rounding of W0 in the type that the base stores
// it in, at least so much that four roundings of fp32, in which files hold their numbers and
// programs reckon (a sum, a norm, a quotient, a product), stay within kRightWithin.
double share_of_change(double error, double change, double base_norm, DType stored);

// `written` as a file stands there, `adapter` as it is meant. Streams over the base's weights.
ConsumerTable judge_consumers(const StoredAdapter& written, const AdapterContents& adapter,
                              const Checkpoint& base, Progress& progress, std::stop_token stop);

// As the reports have it.
std::vector<ReaderVerdict> reader_verdicts(const ConsumerTable& table);
nlohmann::json consumer_table_json(const ConsumerTable& table);

}  // namespace dorabooth
