// Moves the pointer and presses keys through the X server, as a hand does: the program sees no
// difference. The libraries are opened when they are needed (xdotool brings them): no build needs
// their headers.
#pragma once

#include <dlfcn.h>

#include <string>

namespace dorabooth::testing {

class Hand {
 public:
  explicit Hand(const std::string& display)
      : x11_(dlopen("libX11.so.6", RTLD_NOW)), xtst_(dlopen("libXtst.so.6", RTLD_NOW)) {
    if (x11_ && xtst_) display_ = in<void*(const char*)>(x11_, "XOpenDisplay")(display.c_str());
  }
  ~Hand() {
    if (display_) in<int(void*)>(x11_, "XCloseDisplay")(display_);
  }
  Hand(const Hand&) = delete;
  Hand& operator=(const Hand&) = delete;

  bool there() const { return display_ != nullptr; }

  void move(int x, int y) {
    in<int(void*, int, int, int, unsigned long)>(xtst_, "XTestFakeMotionEvent")(display_, -1, x, y,
                                                                                0);
    flush();
  }

  // `symbol` is X11's: 0xffc2 is F5.
  void press(unsigned long symbol) {
    const unsigned code =
        in<unsigned char(void*, unsigned long)>(x11_, "XKeysymToKeycode")(display_, symbol);
    auto* fake = in<int(void*, unsigned, int, unsigned long)>(xtst_, "XTestFakeKeyEvent");
    fake(display_, code, 1, 0);
    fake(display_, code, 0, 0);
    flush();
  }

 private:
  template <typename Signature>
  static Signature* in(void* library, const char* name) {
    return reinterpret_cast<Signature*>(dlsym(library, name));
  }
  void flush() { in<int(void*)>(x11_, "XFlush")(display_); }

  void* x11_ = nullptr;
  void* xtst_ = nullptr;
  void* display_ = nullptr;
};

}  // namespace dorabooth::testing
