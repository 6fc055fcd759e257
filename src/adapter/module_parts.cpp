#include "src/adapter/module_parts.h"

#include "src/base/error.h"
#include "src/tensorfile/header.h"

namespace dorabooth {

namespace {

bool is_magnitude(AdapterRole role) {
  return role == AdapterRole::kMagnitudeVector || role == AdapterRole::kDoraScale;
}

Algebra algebra_of(AdapterRole role) {
  switch (role) {
    case AdapterRole::kA:
    case AdapterRole::kB:
    case AdapterRole::kMid:
      return Algebra::kLora;
    case AdapterRole::kHadaW1A:
    case AdapterRole::kHadaW1B:
    case AdapterRole::kHadaW2A:
    case AdapterRole::kHadaW2B:
    case AdapterRole::kHadaT1:
    case AdapterRole::kHadaT2:
      return Algebra::kLoha;
    case AdapterRole::kLokrW1:
    case AdapterRole::kLokrW1A:
    case AdapterRole::kLokrW1B:
    case AdapterRole::kLokrW2:
    case AdapterRole::kLokrW2A:
    case AdapterRole::kLokrW2B:
    case AdapterRole::kLokrT2:
      return Algebra::kLokr;
    case AdapterRole::kDifference:
      return Algebra::kDifference;
    case AdapterRole::kNormDifference:
      return Algebra::kNormDifference;
    case AdapterRole::kReplacement:
      return Algebra::kReplacement;
    case AdapterRole::kMagnitudeVector:
    case AdapterRole::kDoraScale:
    case AdapterRole::kAlpha:
    case AdapterRole::kBiasDifference:
    case AdapterRole::kNormBiasDifference:
      return Algebra::kNone;
  }
  return Algebra::kNone;
}

}  // namespace

const char* algebra_title(Algebra algebra) {
  switch (algebra) {
    case Algebra::kLora:
      return "LoRA";
    case Algebra::kLoha:
      return "LoHa";
    case Algebra::kLokr:
      return "LoKr";
    case Algebra::kDifference:
      return "a whole difference";
    case Algebra::kNormDifference:
      return "a difference of a norm";
    case Algebra::kReplacement:
      return "a weight in place of the base's";
    case Algebra::kNone:
      return "a magnitude";
  }
  return "";
}

void ModuleParts::add(AdapterRole role, const TensorEntry& entry) {
  const TensorEntry* taken = is_magnitude(role) ? magnitude() : find(role);
  if (taken) {
    fail(quoted_name(taken->name), " and ", quoted_name(entry.name), " are the same tensor");
  }
  entries_[role] = &entry;
}

const TensorEntry* ModuleParts::find(AdapterRole role) const {
  const auto found = entries_.find(role);
  return found == entries_.end() ? nullptr : found->second;
}

const TensorEntry* ModuleParts::magnitude() const {
  const TensorEntry* vector = find(AdapterRole::kMagnitudeVector);
  return vector ? vector : find(AdapterRole::kDoraScale);
}

AdapterRole ModuleParts::magnitude_role() const {
  return has(AdapterRole::kDoraScale) ? AdapterRole::kDoraScale : AdapterRole::kMagnitudeVector;
}

Algebra ModuleParts::algebra() const {
  Algebra algebra = Algebra::kNone;
  const TensorEntry* first = nullptr;
  for (const auto& [role, entry] : entries_) {
    const Algebra own = algebra_of(role);
    if (own == Algebra::kNone) continue;
    if (first && own != algebra) {
      fail(quoted_name(first->name), " (", algebra_title(algebra), ") and ",
           quoted_name(entry->name), " (", algebra_title(own), ") change the same weight");
    }
    algebra = own;
    first = entry;
  }
  return algebra;
}

bool ModuleParts::is_pair() const {
  const Algebra own = algebra();
  return own == Algebra::kLora ? !has(AdapterRole::kMid) : own == Algebra::kNone;
}

}  // namespace dorabooth
