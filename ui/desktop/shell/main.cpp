// The desktop program: opens the window, then frames as long as it is open.
#include <imgui.h>

#include <filesystem>
#include <iostream>

#include "src/base/error.h"
#include "ui/desktop/desk.h"
#include "ui/desktop/frame_pacer.h"
#include "ui/desktop/shell/gl_texture_store.h"
#include "ui/desktop/shell/options.h"
#include "ui/desktop/shell/pipelines.h"
#include "ui/desktop/shell/window.h"
#include "ui/desktop/widgets/native_file_dialog.h"

namespace dorabooth {

namespace {

void run(const DesktopOptions& options) {
  State state = restore_state(
      find_places(),
      options.project.empty() ? "" : std::filesystem::absolute(options.project).string());
  Settings opened = state.settings;
  if (options.width) {
    opened.window_width = *options.width;
    opened.window_height = *options.height;
    opened.window_maximized = false;
  }
  const std::string layout = layout_path(state.places);
  Window window(opened, state.places.assets, layout);
  FramePacer pacer;
  bool close = false;
  Desk desk(std::move(state), desktop_pipelines(),
            {Window::wake, [](const std::string& text) { ImGui::SetClipboardText(text.c_str()); },
             [&close] { close = true; }},
            native_file_dialogs());
  window.on({[&pacer] { pacer.on_input(Window::now()); },
             [&desk](std::vector<std::string> paths) {
               desk.act(FileAction(FilesDropped{std::move(paths)}));
             },
             [&desk](int width, int height, bool maximized) {
               desk.act(AppAction(WindowResized{width, height, maximized}));
             }});
  const std::unique_ptr<TextureStore> textures = gl_texture_store();
  Widgets widgets{*textures};

  while (!close && !window.should_close()) {
    window.wait(pacer.wait_seconds(Window::now()));
    pacer.set_iconified(window.iconified());
    if (desk.advance(Window::now())) pacer.on_change();
    if (!pacer.should_draw(Window::now())) continue;
    window.begin_frame(desk.state().settings.theme,
                       options.scale.value_or(desk.state().settings.scale));
    const bool asked = desk.draw(widgets);
    window.end_frame();
    textures->end_frame();
    pacer.on_drawn(Window::now());
    if (asked) pacer.on_input(Window::now());
    if (textures->pending()) pacer.on_change();
    if (const std::string text = window.changed_layout(); !text.empty())
      desk.run(SaveText{layout, text});
  }
}

int main_of(const std::vector<std::string>& arguments) {
  try {
    const DesktopOptions options = read_desktop_options(arguments);
    if (options.help) {
      std::cout << kDesktopUsage;
      return 0;
    }
    run(options);
    return 0;
  } catch (const UsageError& error) {
    std::cerr << "dorabooth gui: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "dorabooth gui: " << error.what() << '\n';
    return 1;
  }
}

}  // namespace

}  // namespace dorabooth

int main(int argc, char** argv) { return dorabooth::main_of({argv + 1, argv + argc}); }
