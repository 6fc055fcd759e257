// A base that stays in memory between requests: what a window that draws again and again hands to
// sample and compare. One pipeline uses it at a time.
#pragma once

#include <memory>

namespace dorabooth {

class ResidentBase {
 public:
  ResidentBase();
  ~ResidentBase();
  ResidentBase(const ResidentBase&) = delete;
  ResidentBase& operator=(const ResidentBase&) = delete;

  // Frees the memory; the next request loads again.
  void release();
  // Whether there is one.
  bool holds() const;

  struct Kept;  // pipelines/parts/base_loading.h
  Kept& kept() { return *kept_; }

 private:
  std::unique_ptr<Kept> kept_;
};

}  // namespace dorabooth
