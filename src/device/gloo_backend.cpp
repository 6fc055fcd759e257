// The one file that sees Gloo's headers (Debian's libgloo-dev), which LibTorch's wheel lacks; the
// code is LibTorch's own. Debian's Gloo is older: nothing here may depend on the layout of a Gloo
// class, so that the group is made and nothing else (a test looks at the object's symbols).
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <cstdlib>

#include "src/device/collective_backend.h"

namespace dorabooth {

Backend make_gloo_backend(const Store& store, int rank, int size,
                          std::chrono::milliseconds timeout) {
  using Group = c10d::ProcessGroupGloo;
  const auto options = Group::Options::create(timeout);
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  options->devices.push_back(interface != nullptr && *interface != '\0'
                                 ? Group::createDeviceForInterface(interface)
                                 : Group::createDefaultDevice());
  return c10::make_intrusive<Group>(store, rank, size, options);
}

}  // namespace dorabooth
