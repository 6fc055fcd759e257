// The main menu: every action that belongs to no single widget, with its shortcut.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"

namespace dorabooth {

struct MenuItem {
  const char* menu;
  const char* label;
  int chord;  // ImGuiKeyChord; 0: none
  Action action;
  bool enabled;
  bool checked = false;
  const char* key = "";  // shown where the chord is none: a key of the window itself
};

// In menu order, for this state. The shortcuts work whether or not the menu is open.
std::vector<MenuItem> menu_items(const State& state);

void draw_menu_bar(const State& state, Actions& actions);

}  // namespace dorabooth
