// The tensors that an adapter file holds for one module, and which algebra they are of. Torch-free,
// internal to src/adapter.
#pragma once

#include <map>
#include <string>

#include "src/adapter/adapter_keys.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

// How a weight changes; a magnitude may come with any of them, or alone.
enum class Algebra {
  kNone,
  kLora,            // A and B, in Tucker form with a middle factor
  kLoha,            // an elementwise product of two of these
  kLokr,            // a Kronecker product
  kDifference,      // a whole matrix or vector, added
  kNormDifference,  // the same of a norm
  kReplacement      // in place of the base's
};
const char* algebra_title(Algebra algebra);  // "LoHa"

// DoRA's magnitude has one place for both of its roles.
class ModuleParts {
 public:
  // Throws where the role is taken.
  void add(AdapterRole role, const TensorEntry& entry);
  const TensorEntry* find(AdapterRole role) const;
  bool has(AdapterRole role) const { return find(role) != nullptr; }
  const TensorEntry* magnitude() const;
  AdapterRole magnitude_role() const;
  const std::map<AdapterRole, const TensorEntry*>& all() const { return entries_; }

  // Of the weight; throws where there are two.
  Algebra algebra() const;
  bool changes_weight() const { return algebra() != Algebra::kNone || magnitude() || has_alpha(); }
  // Whether a LoRA or DoRA of a matrix is all that its weight's change is.
  bool is_pair() const;

 private:
  bool has_alpha() const { return has(AdapterRole::kAlpha); }

  std::map<AdapterRole, const TensorEntry*> entries_;
};

}  // namespace dorabooth
