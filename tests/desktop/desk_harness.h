// Draws views from a hand-made state on ImGui's null backend (no window, no OpenGL) and drives them
// by the names of their items:
//
//   DeskHarness desk(state, draw_start);
//   desk.drive([](ImGuiTestContext* test) { test->ItemClick("Choose a base..."); });
//   EXPECT_TRUE(desk.last<AskForFile>());
//
// What the view asks for goes through reduce() between frames, as in the program; effects are
// collected and not done. One harness at a time: the test engine is global.
#pragma once

#include <imgui.h>
#include <imgui_te_context.h>
#include <imgui_te_engine.h>

#include <functional>
#include <vector>

#include "ui/desktop/reduce.h"
#include "ui/desktop/views/views.h"

namespace dorabooth::testing {

class DeskHarness {
 public:
  using Draw = std::function<void(const State&, Actions&, Widgets&)>;

  // `view` is drawn into a window "View" of 1280×720; refs are relative to it.
  DeskHarness(State state, Draw view);
  // The whole program's windows instead: refs are absolute ("//Train/…").
  explicit DeskHarness(State state);
  ~DeskHarness();
  DeskHarness(const DeskHarness&) = delete;
  DeskHarness& operator=(const DeskHarness&) = delete;

  // A gtest failure with the engine's log if an item is not found or a check of the test fails.
  void drive(const std::function<void(ImGuiTestContext*)>& test);
  // Draws frames without input.
  void frames(int count = 3);

  State state;
  std::vector<Action> actions;  // everything that was asked for, in order
  Effects effects;
  NullTextureStore textures;

  // The last action of this kind, or nullptr.
  template <typename T>
  const T* last() const {
    const T* found = nullptr;
    for (const Action& action : actions) {
      if (const T* one = action_as<T>(action)) found = one;
    }
    return found;
  }
  template <typename T>
  const T* last_effect() const {
    const T* found = nullptr;
    for (const Effect& effect : effects) {
      if (const T* one = std::get_if<T>(&effect)) found = one;
    }
    return found;
  }
  // The texts that were drawn in the last frame, one a line: what a person can read.
  std::string visible_text();

 private:
  void frame();
  void draw();

  Draw view_;  // empty: all windows
  Actions pending_;
  ImGuiTestEngine* engine_ = nullptr;
};

// A state whose places exist: assets and configs are the repository's, the rest is below `folder`.
State state_in(const std::string& folder);

}  // namespace dorabooth::testing
