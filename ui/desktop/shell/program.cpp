#include "ui/desktop/shell/program.h"

#include <imgui.h>

#include <algorithm>
#include <filesystem>

#include "ui/desktop/frame_pacer.h"
#include "ui/desktop/shell/gl_texture_store.h"
#include "ui/desktop/shell/pipelines.h"
#include "ui/desktop/shell/window.h"
#include "ui/desktop/widgets/native_file_dialog.h"

namespace dorabooth {

void run_program(const DesktopOptions& options, const ProgramHooks& hooks) {
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
  if (hooks.opened) hooks.opened(desk);

  while (!close) {
    window.wait(std::min(pacer.wait_seconds(Window::now()), desk.seconds_to_timer()));
    if (window.asked_to_close()) {
      desk.act(AppAction(Quit{}));
      if (desk.state().closing == Closing::kAsking) window.come_forward();
      pacer.on_input(Window::now());
    }
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
    if (hooks.shown && hooks.shown(desk)) pacer.on_input(Window::now());
    if (const std::string text = window.changed_layout(); !text.empty())
      desk.run(SaveText{layout, text});
  }
  desk.run(SaveText{layout, window.layout()});
  if (hooks.closing) hooks.closing();
}

}  // namespace dorabooth
