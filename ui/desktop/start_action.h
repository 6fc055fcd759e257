// Actions of the Start window.
#pragma once

#include <string>
#include <variant>

namespace dorabooth {

// The bundled base and the sample pictures, with the settings of configs/quickstart.json.
struct TryBundled {};
struct ChooseBase {
  std::string path;
};
struct ChooseDataset {
  std::string path;
};

using StartAction = std::variant<TryBundled, ChooseBase, ChooseDataset>;

}  // namespace dorabooth
