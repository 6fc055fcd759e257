#include "ui/desktop/shell/kept_base.h"

#include <utility>

namespace dorabooth {

CompareReport KeptBase::draw(const CompareRequest& request, Progress& progress,
                             std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  CompareReport report = compare(request, progress, std::move(stop), &resident_);
  if (trainings_ > 0) resident_.release();
  return report;
}

void KeptBase::release() {
  if (const std::unique_lock lock(mutex_, std::try_to_lock); lock) resident_.release();
}

bool KeptBase::holds() {
  const std::lock_guard lock(mutex_);
  return resident_.holds();
}

KeptBase::Pause::Pause(KeptBase& base) : base_(base) {
  ++base_.trainings_;
  base_.release();
}

}  // namespace dorabooth
