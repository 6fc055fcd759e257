// Adapter files loaded for one base, each at its strength, to be attached in the order given.
#pragma once

#include <vector>

#include "pipelines/adapter_argument.h"
#include "src/adapter/set.h"
#include "src/model/bundle.h"

namespace dorabooth {

struct LoadedAdapter {
  AdapterArgument argument;
  std::string file;    // of the tensors
  std::string sha256;  // of that file
  AdapterSet set;
};

class AdapterStack {
 public:
  AdapterStack() = default;
  // Errors name the file: absent, damaged, or of another base.
  AdapterStack(const std::vector<AdapterArgument>& arguments, StrengthRule rule,
               const SdxlBundle& bundle);

  const std::vector<LoadedAdapter>& adapters() const { return adapters_; }
  // Whether an encoded prompt depends on them.
  bool touches_text_encoders() const { return touches_text_encoders_; }
  // In the slots while the result lives.
  std::vector<AttachScope> attach();

 private:
  std::vector<LoadedAdapter> adapters_;
  bool touches_text_encoders_ = false;
};

}  // namespace dorabooth
