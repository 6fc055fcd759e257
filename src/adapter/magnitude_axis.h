// Whether DoRA's magnitudes belong to the rows or the columns of W: files do not say, their
// spelling, shape and neighbours do. Torch-free.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/adapter/adapter_keys.h"

namespace dorabooth {

// nullopt: the shape leaves it open, as 1-D magnitudes of a square layer do.
using AxisEvidence = std::optional<bool>;  // true: input axis

// What the shape of one magnitude tensor says for a layer [out, in]; throws, naming `key`, where it
// fits neither axis. [out], [out,1,…] and [1,out,1,1] (PEFT's convolutions) are the output axis,
// [1,in,…] the input axis; 1-D is decided by length.
AxisEvidence axis_evidence(const std::string& key, AdapterRole role,
                           const std::vector<int64_t>& shape, int64_t out, int64_t in);

// All modules of a file share one axis: the agreeing evidence of all tensors, a contradiction is an
// error. Where no tensor decides, PEFT's spelling means output, and a bare dora_scale is looked up
// in ss_network_args' wd_on_output, then in what was asked for ("output", "input"); without either
// it is an error.
class AxisDecision {
 public:
  explicit AxisDecision(std::optional<std::string> asked = std::nullopt)
      : asked_(std::move(asked)) {}
  void add(const std::string& key, AdapterRole role, AxisEvidence evidence);
  bool is_input(const std::map<std::string, std::string>& metadata) const;

 private:
  std::optional<std::string> asked_;
  std::string output_key_, input_key_, open_dora_scale_;
};

}  // namespace dorabooth
