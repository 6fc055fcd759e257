// What the Export window shows of a conversion, and the request that it makes of the settings.
#pragma once

#include <optional>
#include <string>

#include "pipelines/convert.h"

namespace dorabooth {

struct ConvertState {
  std::optional<ConvertReport> report;  // of the last conversion
};

// The request as it is run: of the two places only the one that the reader takes, and where none
// was chosen, one beside the adapter.
ConvertRequest with_place(ConvertRequest request);
// That place; "" while there is no adapter.
std::string place_of(const ConvertRequest& request);

}  // namespace dorabooth
