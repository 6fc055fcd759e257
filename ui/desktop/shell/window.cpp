#include "ui/desktop/shell/window.h"

#include <GLFW/glfw3.h>
#include <imgui.h>
#include <imgui_impl_glfw.h>
#include <imgui_impl_opengl3.h>
#include <implot.h>

#include <filesystem>

#include "src/base/error.h"
#include "ui/desktop/shell/fonts.h"
#include "ui/desktop/theme.h"

namespace dorabooth {

namespace {

std::string last_error() {
  const char* text = nullptr;
  glfwGetError(&text);
  return text ? text : "unknown reason";
}

GLFWwindow* open_window(const Settings& settings) {
  if (!glfwInit())
    fail("no display to open a window on (", last_error(), "); the command line needs none");
  glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, 3);
  glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, 3);
  glfwWindowHint(GLFW_OPENGL_PROFILE, GLFW_OPENGL_CORE_PROFILE);
  glfwWindowHint(GLFW_OPENGL_FORWARD_COMPAT, GLFW_TRUE);
  glfwWindowHint(GLFW_MAXIMIZED, settings.window_maximized ? GLFW_TRUE : GLFW_FALSE);
  glfwWindowHint(GLFW_SCALE_TO_MONITOR, GLFW_TRUE);
  GLFWwindow* window =
      glfwCreateWindow(static_cast<int>(settings.window_width),
                       static_cast<int>(settings.window_height), "dorabooth", nullptr, nullptr);
  if (!window) {
    const std::string reason = last_error();
    glfwTerminate();
    fail("no window with OpenGL 3.3 (", reason, "); Mesa's libgl1-mesa-dri draws without a GPU");
  }
  glfwMakeContextCurrent(window);
  glfwSwapInterval(1);
  return window;
}

// ImGui's own callbacks are installed after these and call them first.
void install_callbacks(GLFWwindow* window) {
  glfwSetKeyCallback(window, [](GLFWwindow* w, int, int, int, int) { Window::of(w).tell_input(); });
  glfwSetCharCallback(window, [](GLFWwindow* w, unsigned) { Window::of(w).tell_input(); });
  glfwSetCursorPosCallback(window,
                           [](GLFWwindow* w, double, double) { Window::of(w).tell_input(); });
  glfwSetCursorEnterCallback(window, [](GLFWwindow* w, int) { Window::of(w).tell_input(); });
  glfwSetMouseButtonCallback(window,
                             [](GLFWwindow* w, int, int, int) { Window::of(w).tell_input(); });
  glfwSetScrollCallback(window, [](GLFWwindow* w, double, double) { Window::of(w).tell_input(); });
  glfwSetWindowFocusCallback(window, [](GLFWwindow* w, int) { Window::of(w).tell_input(); });
  glfwSetWindowRefreshCallback(window, [](GLFWwindow* w) { Window::of(w).tell_input(); });
  glfwSetWindowContentScaleCallback(
      window, [](GLFWwindow* w, float, float) { Window::of(w).tell_input(); });
  glfwSetWindowSizeCallback(window, [](GLFWwindow* w, int width, int height) {
    Window& self = Window::of(w);
    self.tell_input();
    const bool maximized = glfwGetWindowAttrib(w, GLFW_MAXIMIZED) != 0;
    if (self.events().resized) self.events().resized(width, height, maximized);
  });
  glfwSetDropCallback(window, [](GLFWwindow* w, int count, const char** paths) {
    Window& self = Window::of(w);
    self.tell_input();
    if (self.events().dropped) self.events().dropped({paths, paths + count});
  });
}

}  // namespace

Window::Window(const Settings& settings, const std::string& assets, const std::string& layout_path)
    : window_(open_window(settings)) {
  glfwSetWindowUserPointer(window_, this);
  install_callbacks(window_);
  ImGui::CreateContext();
  ImPlot::CreateContext();
  ImGuiIO& io = ImGui::GetIO();
  io.IniFilename = nullptr;  // the layout is saved by the program
  io.ConfigFlags |= ImGuiConfigFlags_NavEnableKeyboard;
#ifdef IMGUI_HAS_DOCK
  io.ConfigFlags |= ImGuiConfigFlags_DockingEnable;
#endif
  io.ConfigInputTextCursorBlink = false;  // blinking would be a redraw twice a second
  load_fonts(assets);
  std::error_code ignored;
  if (std::filesystem::exists(layout_path, ignored))
    ImGui::LoadIniSettingsFromDisk(layout_path.c_str());
  ImGui_ImplGlfw_InitForOpenGL(window_, /*install_callbacks=*/true);
  ImGui_ImplOpenGL3_Init("#version 330 core");
}

Window::~Window() {
  ImGui_ImplOpenGL3_Shutdown();
  ImGui_ImplGlfw_Shutdown();
  ImPlot::DestroyContext();
  ImGui::DestroyContext();
  glfwDestroyWindow(window_);
  glfwTerminate();
}

Window& Window::of(GLFWwindow* window) {
  return *static_cast<Window*>(glfwGetWindowUserPointer(window));
}

bool Window::asked_to_close() {
  const bool asked = glfwWindowShouldClose(window_) != 0;
  if (asked) glfwSetWindowShouldClose(window_, GLFW_FALSE);
  return asked;
}

bool Window::iconified() const { return glfwGetWindowAttrib(window_, GLFW_ICONIFIED) != 0; }

void Window::come_forward() {
  if (iconified()) glfwRestoreWindow(window_);
  glfwRequestWindowAttention(window_);
}

void Window::wait(double seconds) {
  if (seconds > 0) {
    glfwWaitEventsTimeout(seconds);
  } else {
    glfwPollEvents();
  }
}

double Window::now() { return glfwGetTime(); }

void Window::wake() { glfwPostEmptyEvent(); }

void Window::begin_frame(const std::string& theme, double scale) {
  float x = 1;
  float y = 1;
  glfwGetWindowContentScale(window_, &x, &y);
  const float wanted = scale > 0 ? static_cast<float>(scale) : x;
  if (wanted != scale_ || theme != theme_) apply_theme(theme, wanted);
  scale_ = wanted;
  theme_ = theme;
  ImGui_ImplOpenGL3_NewFrame();
  ImGui_ImplGlfw_NewFrame();
  key_order_.hold_back();
  ImGui::NewFrame();
  if (key_order_.give_back()) tell_input();
}

void Window::end_frame() {
  ImGui::Render();
  int width = 0;
  int height = 0;
  glfwGetFramebufferSize(window_, &width, &height);
  static const auto viewport =
      reinterpret_cast<decltype(glViewport)*>(glfwGetProcAddress("glViewport"));
  viewport(0, 0, width, height);
  ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
  glfwSwapBuffers(window_);
}

std::string Window::changed_layout() {
  ImGuiIO& io = ImGui::GetIO();
  if (!io.WantSaveIniSettings) return "";
  io.WantSaveIniSettings = false;
  return layout();
}

std::string Window::layout() const { return ImGui::SaveIniSettingsToMemory(); }

}  // namespace dorabooth
