// The base that comparisons keep in memory between them; a training has the memory for itself.
#pragma once

#include <atomic>
#include <mutex>

#include "pipelines/compare.h"

namespace dorabooth {

class KeptBase {
 public:
  CompareReport draw(const CompareRequest& request, Progress& progress, std::stop_token stop);
  // Frees it; a running comparison keeps it.
  void release();
  // Whether one is in memory; waits for a running comparison.
  bool holds();

  // While a training runs.
  class Pause {
   public:
    explicit Pause(KeptBase& base);
    ~Pause() { --base_.trainings_; }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    KeptBase& base_;
  };

 private:
  std::mutex mutex_;
  ResidentBase resident_;
  std::atomic<int> trainings_ = 0;
};

}  // namespace dorabooth
