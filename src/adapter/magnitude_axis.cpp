// PEFT's lora_magnitude_vector is [out]; LyCORIS' and OneTrainer's dora_scale is [out,1] or [1,in].
#include "src/adapter/magnitude_axis.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "src/tensorfile/header.h"

namespace dorabooth {

namespace {

// Whether `shape` is `lead` followed by ones only.
bool is_padded(const std::vector<int64_t>& shape, const std::vector<int64_t>& lead) {
  return shape.size() >= lead.size() && std::equal(lead.begin(), lead.end(), shape.begin()) &&
         std::all_of(shape.begin() + static_cast<std::ptrdiff_t>(lead.size()), shape.end(),
                     [](int64_t extent) { return extent == 1; });
}

// wd_on_output of ss_network_args; nothing where the header does not state it.
std::optional<bool> stated_input_axis(const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find("ss_network_args");
  if (found == metadata.end()) return std::nullopt;
  const auto json = nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("wd_on_output")) return std::nullopt;
  const auto& value = json.at("wd_on_output");
  if (value.is_boolean()) return !value.get<bool>();
  if (value == "True" || value == "true") return false;
  if (value == "False" || value == "false") return true;
  return std::nullopt;
}

}  // namespace

AxisEvidence axis_evidence(const std::string& key, AdapterRole role,
                           const std::vector<int64_t>& shape, int64_t out, int64_t in) {
  const bool is_vector = shape.size() == 1;
  const bool conv_vector =
      role == AdapterRole::kMagnitudeVector && shape.size() == 4 && is_padded(shape, {1, out});
  const bool output = is_padded(shape, {out}) || conv_vector;
  const bool input =
      is_vector ? shape[0] == in : !conv_vector && is_padded(shape, {1, in}) && shape.size() >= 2;
  if (!output && !input) {
    fail(quoted_name(key), ": want [", out, "], [", out, ",1] or [1,", in, "] for a layer [", out,
         ",", in, "], got ", shape_text({shape.begin(), shape.end()}));
  }
  if (output && input) return std::nullopt;
  return input;
}

void AxisDecision::add(const std::string& key, AdapterRole role, AxisEvidence evidence) {
  if (!evidence) {
    if (role == AdapterRole::kDoraScale) open_dora_scale_ = key;
    return;
  }
  (*evidence ? input_key_ : output_key_) = key;
  if (!input_key_.empty() && !output_key_.empty()) {
    fail(quoted_name(output_key_), " has one magnitude per output feature, ",
         quoted_name(input_key_), " one per input feature: a file has one axis");
  }
}

bool AxisDecision::is_input(const std::map<std::string, std::string>& metadata) const {
  if (!input_key_.empty()) return true;
  if (!output_key_.empty() || open_dora_scale_.empty()) return false;
  if (const auto stated = stated_input_axis(metadata)) return *stated;
  if (asked_) return *asked_ == "input";
  fail(
      quoted_name(open_dora_scale_),
      " fits both axes of its square layer, and nothing else in the file decides: give --dora_axis "
      "output or input, or state it as \"wd_on_output\" in the header's ss_network_args");
}

}  // namespace dorabooth
