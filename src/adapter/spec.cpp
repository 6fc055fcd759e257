// Patterns of module names, and the KIND[:field=value,…] form of the command line.
#include "src/adapter/spec.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "src/base/error.h"

namespace dorabooth {

namespace {

bool any_matches(const std::vector<std::string>& patterns, const std::string& module) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return module_matches(pattern, module); });
}

// Ranks and alphas of a run are those of its LoRAs and DoRAs.
void forget_lora_scales(AdapterSpec& spec) {
  spec.rank = kVeraRank;
  spec.alpha.reset();
  spec.use_rslora = false;
  spec.rank_pattern.clear();
  spec.alpha_pattern.clear();
}

bool serves_full(const std::string& field) { return field == "kind" || field == "target_modules"; }

}  // namespace

double pattern_value(const std::vector<std::string>& patterns, const std::string& module,
                     double fallback, const char* field) {
  double value = fallback;
  for (const std::string& entry : patterns) {
    const size_t equals = entry.rfind('=');
    char* end = nullptr;
    const double number =
        equals == std::string::npos ? 0 : std::strtod(entry.c_str() + equals + 1, &end);
    if (equals == std::string::npos || *end != '\0' || !(number > 0)) {
      throw UsageError(concat(field, ": want GLOB=positive number, got '", entry, "'"));
    }
    if (module_matches(entry.substr(0, equals), module)) value = number;
  }
  return value;
}

int64_t AdapterSpec::rank_of(const std::string& module) const {
  if (trains_magnitude_only(module)) return 0;
  const double value =
      pattern_value(rank_pattern, module, static_cast<double>(rank), "rank_pattern");
  if (value != std::floor(value))
    throw UsageError(concat("rank_pattern: want a whole rank, got ", value));
  return static_cast<int64_t>(value);
}

double AdapterSpec::alpha_of(const std::string& module) const {
  if (trains_magnitude_only(module)) return 0;
  const double fallback = alpha ? *alpha : static_cast<double>(rank_of(module));
  return pattern_value(alpha_pattern, module, fallback, "alpha_pattern");
}

double AdapterSpec::scale_of(const std::string& module) const {
  const auto r = static_cast<double>(rank_of(module));
  if (r == 0) return 1.0;
  return alpha_of(module) / (use_rslora ? std::sqrt(r) : r);
}

bool AdapterSpec::targets(const std::string& module) const {
  return any_matches(target_modules, module) || trains_magnitude_only(module);
}

bool AdapterSpec::trains_magnitude_only(const std::string& module) const {
  return any_matches(magnitude_only_modules, module);
}

bool AdapterSpec::trains_parameter(const std::string& module, const std::string& parameter) const {
  return any_matches(target_modules, module) || any_matches(target_modules, parameter);
}

const FieldList<AdapterSpec>& adapter_spec_fields() {
  static const FieldList<AdapterSpec> list = [] {
    FieldList<AdapterSpec> f;
    f.group("Adapter");
    f.add("kind", &AdapterSpec::kind, "The kind of adapter.")
        .one_of({"lora", "dora", "vera", "dvora", "full"});
    f.add("rank", &AdapterSpec::rank, "Rank of the update.").at_least(1).at_most(4096);
    f.add("alpha", &AdapterSpec::alpha,
          "Scale numerator; absent means the rank, so that the scale is 1.")
        .above(0);
    f.add("use_rslora", &AdapterSpec::use_rslora,
          "Scale by alpha/sqrt(rank) instead of alpha/rank.");
    f.add("dropout", &AdapterSpec::dropout, "Dropout probability of the adapter's input.")
        .at_least(0)
        .at_most(0.95);
    f.add("target_modules", &AdapterSpec::target_modules,
          "Module name suffixes, or globs over whole module names; of full also of parameters.");
    f.add("magnitude_only_modules", &AdapterSpec::magnitude_only_modules,
          "DoRA: modules that get a magnitude and neither A nor B.");
    f.add("rank_pattern", &AdapterSpec::rank_pattern, "GLOB=rank: another rank for some modules.");
    f.add("alpha_pattern", &AdapterSpec::alpha_pattern,
          "GLOB=alpha: another alpha for some modules.");
    f.add("norm_axis", &AdapterSpec::norm_axis,
          "DoRA: one magnitude per output feature (PEFT, the authors' code) or per input feature.")
        .one_of({"output", "input"});
    f.add(
         "norm_gradient", &AdapterSpec::norm_gradient,
         "DoRA: the norm is a constant for the gradient (eq. 11) or is differentiated too (eq. 6).")
        .one_of({"detached", "full"});
    f.add("init_lora_weights", &AdapterSpec::init_lora_weights,
          "How A starts: N(0, 1/rank^2) as diffusers' scripts, or Kaiming uniform as PEFT's "
          "default.")
        .one_of({"gaussian", "kaiming"});
    f.add("projection_prng_key", &AdapterSpec::projection_prng_key,
          "VeRA: seed of the random matrices that all modules share.")
        .at_least(0);
    f.add("d_initial", &AdapterSpec::d_initial, "VeRA: where the trained vector d starts.");
    return f;
  }();
  return list;
}

void check_adapter_spec(const AdapterSpec& spec) {
  if (!spec.has_magnitude() && !spec.magnitude_only_modules.empty()) {
    throw UsageError(concat("magnitude_only_modules: ", spec.kind, " has no magnitudes"));
  }
  if (!spec.is_vera()) return;
  if (spec.alpha || spec.use_rslora || !spec.rank_pattern.empty() || !spec.alpha_pattern.empty()) {
    throw UsageError(
        concat(spec.kind, ": all modules share one A and B of one rank, and there is no alpha"));
  }
}

std::vector<std::string> default_target_modules(bool text_encoders) {
  std::vector<std::string> targets = {"to_q", "to_k", "to_v", "to_out.0"};
  if (text_encoders) {
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) targets.push_back(name);
  }
  return targets;
}

AdapterSpec parse_adapter_spec(const std::string& text, const AdapterSpec& defaults) {
  AdapterSpec spec = defaults;
  const auto& fields = adapter_spec_fields();
  const size_t colon = std::min(text.find(':'), text.size());
  fields.set(&spec, fields.at("kind"), text.substr(0, colon), "--adapter");
  if (spec.is_vera()) forget_lora_scales(spec);
  if (spec.is_full()) {  // what a run says of its low ranks is not for this
    spec = AdapterSpec();
    spec.kind = "full";
    spec.target_modules = defaults.target_modules;
  }
  bool own_targets = false;
  size_t begin = colon + 1;
  while (begin < text.size()) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, comma - begin);
    const size_t equals = part.find('=');
    if (equals == std::string::npos) {
      throw UsageError(concat("--adapter ", text, ": want field=value, got '", part, "'"));
    }
    const std::string name = part.substr(0, equals);
    const Field& field = fields.at(name);
    if (spec.is_full() && !serves_full(name)) {
      throw UsageError(concat("--adapter ", text, ": ", name,
                              " means nothing to full, which trains the weights themselves"));
    }
    if (name == "target_modules" && !std::exchange(own_targets, true)) spec.target_modules.clear();
    fields.set_text(&spec, field, part.substr(equals + 1));
    begin = comma + 1;
  }
  check_adapter_spec(spec);
  return spec;
}

bool module_matches(const std::string& pattern, const std::string& module) {
  if (pattern.find_first_of("*?") != std::string::npos) {
    const size_t dot = module.find('.');
    return fnmatch(pattern.c_str(), module.c_str(), 0) == 0 ||
           (dot != std::string::npos && fnmatch(pattern.c_str(), module.c_str() + dot + 1, 0) == 0);
  }
  return module == pattern || (module.size() > pattern.size() && module.ends_with(pattern) &&
                               module[module.size() - pattern.size() - 1] == '.');
}

}  // namespace dorabooth
