// Runs the whole program in a real window, in this process, and drives it as a person would: by the
// names of what is seen (the test engine) and with everything behind it real: pipelines, files,
// OpenGL in software.
#pragma once

#include <imgui.h>
#include <imgui_te_context.h>
#include <imgui_te_engine.h>

#include <functional>
#include <string>

#include "tests/desktop/virtual_screen.h"
#include "ui/desktop/shell/program.h"

namespace dorabooth::testing {

// A user's home that is empty at first: HOME, XDG_CONFIG_HOME and software drawing for this process
// and its children.
class EmptyHome {
 public:
  EmptyHome();
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

class ProgramDrive {
 public:
  ProgramDrive(ImGuiTestContext* context, Desk& driven, bool& waiting)
      : test(context), desk(driven), waiting_(waiting) {}

  ImGuiTestContext* test;
  Desk& desk;

  const State& state() const { return desk.state(); }
  // Whether the condition came true in that time; meanwhile frames are drawn as seldom as in the
  // program.
  bool wait(double seconds, const std::function<bool(const State&)>& condition);
  // The job is over; a test failure with its message unless it finished.
  bool wait_finished(JobId job, double seconds);
  void open(WindowId window);
  // Sets a setting of a form that is searched for first.
  void set(const char* field, const std::string& value);
  void set_number(const char* field, double value);
  void switch_on(const char* field);
  // The first text of a list that is empty.
  void add_text(const char* field, const std::string& value);

 private:
  void search(const char* field);

  bool& waiting_;
};

// Until `drive` returns; then the program is asked to quit. A gtest failure with the engine's log
// where an item is not found.
void run_driven(const DesktopOptions& options, const std::function<void(ProgramDrive&)>& drive);

}  // namespace dorabooth::testing
