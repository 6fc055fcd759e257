// Ctrl+Q typed faster than a frame: ImGui would see Q pressed and Ctrl released in the same frame,
// and no shortcut. Releases of modifiers wait for the frame after the key.
#pragma once

#include <memory>

namespace dorabooth {

class KeyOrder {
 public:
  KeyOrder();
  ~KeyOrder();
  // Before ImGui::NewFrame.
  void hold_back();
  // After it; true if something was held back: another frame is needed.
  bool give_back();

 private:
  struct Held;
  std::unique_ptr<Held> held_;
};

}  // namespace dorabooth
