// Adapter files loaded for one base, each at its strength, to be attached in the order given.
#pragma once

#include <vector>

#include "pipelines/adapter_argument.h"
#include "pipelines/parts/patch_scope.h"
#include "src/adapter/set.h"
#include "src/base/log.h"
#include "src/model/bundle.h"

namespace dorabooth {

struct LoadedAdapter {
  AdapterArgument argument;
  std::string file;    // of the tensors
  std::string sha256;  // of that file
  AdapterSet set;
  std::vector<WeightPatch> patches;
};

// Adapters in their slots and patches in the weights while it lives; the patches go last.
struct AttachedStack {
  PatchScope patches;
  std::vector<AttachScope> slots;
};

class AdapterStack {
 public:
  AdapterStack() = default;
  // Errors name the file: absent, damaged, or of another base. `log` is told of keys that are left
  // out.
  AdapterStack(const std::vector<AdapterArgument>& arguments, StrengthRule rule,
               const SdxlBundle& bundle, const ReadingOptions& options = {}, const Log& log = {});

  const std::vector<LoadedAdapter>& adapters() const { return adapters_; }
  // Whether an encoded prompt depends on them.
  bool touches_text_encoders() const { return touches_text_encoders_; }
  bool has_patches() const;
  // On the base that they were loaded for while the result lives.
  AttachedStack attach();

 private:
  SdxlBundle bundle_;
  StrengthRule rule_ = StrengthRule::kPeft;
  std::vector<LoadedAdapter> adapters_;
  bool touches_text_encoders_ = false;
};

}  // namespace dorabooth
