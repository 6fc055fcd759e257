#include "ui/desktop/widgets/key_order.h"

#include <imgui.h>
#include <imgui_internal.h>

namespace dorabooth {

namespace {

bool is_modifier(ImGuiKey key) {
  return (key >= ImGuiKey_LeftCtrl && key <= ImGuiKey_RightSuper) ||
         (key >= ImGuiKey_ReservedForModCtrl && key <= ImGuiKey_ReservedForModSuper) ||
         (key & ImGuiMod_Mask_) != 0;
}

}  // namespace

struct KeyOrder::Held {
  ImVector<ImGuiInputEvent> events;
};

KeyOrder::KeyOrder() : held_(std::make_unique<Held>()) {}

KeyOrder::~KeyOrder() = default;

void KeyOrder::hold_back() {
  ImVector<ImGuiInputEvent>& queue = ImGui::GetCurrentContext()->InputEventsQueue;
  bool pressed = false;
  for (int i = 0; i < queue.Size; ++i) {
    if (queue[i].Type != ImGuiInputEventType_Key) continue;
    const ImGuiInputEventKey& key = queue[i].Key;
    if (key.Down) {
      pressed = pressed || !is_modifier(key.Key);
    } else if (pressed && is_modifier(key.Key)) {
      for (int j = i; j < queue.Size; ++j) held_->events.push_back(queue[j]);
      queue.resize(i);
      return;
    }
  }
}

bool KeyOrder::give_back() {
  ImVector<ImGuiInputEvent>& queue = ImGui::GetCurrentContext()->InputEventsQueue;
  const bool any = !held_->events.empty();
  for (const ImGuiInputEvent& event : held_->events) queue.push_back(event);
  held_->events.clear();
  return any;
}

}  // namespace dorabooth
