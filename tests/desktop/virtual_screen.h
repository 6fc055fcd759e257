// An X server without a screen (Xvfb) whose picture can be looked at: what a person would see.
#pragma once

#include <sys/types.h>

#include <string>

#include "src/base/image.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing {

class VirtualScreen {
 public:
  // Where Xvfb is not installed.
  static bool available();

  // Sets DISPLAY for this process and its children until its end.
  VirtualScreen(int width, int height);
  ~VirtualScreen();
  VirtualScreen(const VirtualScreen&) = delete;
  VirtualScreen& operator=(const VirtualScreen&) = delete;

  Image picture() const;
  const std::string& display() const { return display_; }

 private:
  TemporaryFolder folder_;
  pid_t server_ = -1;
  std::string display_;
};

}  // namespace dorabooth::testing
