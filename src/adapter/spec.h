// What an adapter is, apart from its numbers: kind, rank, scale, targets, norm, initialisation.
// Saved in the file's metadata; a kind or key that cannot be honoured is refused. Torch-free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/config/field_list.h"

namespace dorabooth {

// The value of the last "GLOB=value" entry that matches `module`; `fallback` if none does. Throws
// UsageError naming `field` for an entry that is not one.
double pattern_value(const std::vector<std::string>& patterns, const std::string& module,
                     double fallback, const char* field);

struct AdapterSpec {
  // "lora", "dora", "vera" or "dvora"; or "full": the weights themselves train, of which the other
  // fields but target_modules say nothing.
  std::string kind = "lora";
  int64_t rank = 4;
  std::optional<double> alpha;  // absent: alpha = rank, so that the scale is 1
  bool use_rslora = false;      // scale = alpha/sqrt(rank) instead of alpha/rank
  double dropout = 0.0;         // of the adapter's input
  // Suffixes of module names ("to_q"), or globs over the whole name ("unet.mid_block*.to_q").
  std::vector<std::string> target_modules;
  // DoRA: modules beside those that get m and neither A nor B (the paper's Table 6); the same
  // patterns, and these win.
  std::vector<std::string> magnitude_only_modules;
  std::vector<std::string> rank_pattern;   // "GLOB=rank"
  std::vector<std::string> alpha_pattern;  // "GLOB=alpha"
  std::string norm_axis = "output";        // DoRA: "output" (PEFT, the authors' code) or "input"
  std::string norm_gradient = "detached";  // DoRA: "detached" (eq. 11) or "full" (eq. 6)
  std::string init_lora_weights = "gaussian";
  // VeRA and DVoRA, names and defaults of PEFT's VeraConfig.
  int64_t projection_prng_key = 0;  // of the shared random A and B
  double d_initial = 0.1;

  bool has_magnitude() const { return kind == "dora" || kind == "dvora"; }
  bool is_vera() const { return kind == "vera" || kind == "dvora"; }
  bool is_full() const { return kind == "full"; }

  // Rank and alpha of one module after the patterns; the later pattern wins. Both are 0 where the
  // magnitude alone is trained.
  int64_t rank_of(const std::string& module) const;
  double alpha_of(const std::string& module) const;
  // alpha/rank, or alpha/sqrt(rank).
  double scale_of(const std::string& module) const;
  // Whether `module` ("unet.mid_block.….attn1.to_q") is a target.
  bool targets(const std::string& module) const;
  bool trains_magnitude_only(const std::string& module) const;
  // "full": whether a module's `parameter` ("….to_out.0.bias") is a target, by its own name or the
  // module's.
  bool trains_parameter(const std::string& module, const std::string& parameter) const;
};

const FieldList<AdapterSpec>& adapter_spec_fields();

// UsageError where fields are set that the kind has no use for.
void check_adapter_spec(const AdapterSpec& spec);

inline constexpr int64_t kVeraRank = 256;  // PEFT's default

// The attention projections: to_q, to_k, to_v, to_out.0 of the UNet, and with `text_encoders`
// q_proj, k_proj, v_proj, out_proj of both text encoders.
std::vector<std::string> default_target_modules(bool text_encoders);

// "dora:rank=8,alpha=16": KIND[:field=value,…] over `defaults`; a field that is a list takes one
// more for each time that it stands there, and target_modules forgets the default's. UsageError on
// an unknown kind or field.
AdapterSpec parse_adapter_spec(const std::string& text, const AdapterSpec& defaults);

// Shell-style glob with * and ?, or a plain suffix at a '.' boundary where the pattern holds
// neither.
bool module_matches(const std::string& pattern, const std::string& module);

}  // namespace dorabooth
