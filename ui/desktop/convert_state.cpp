#include "ui/desktop/convert_state.h"

#include "pipelines/convert_place.h"

namespace dorabooth {

ConvertRequest with_place(ConvertRequest request) {
  const bool folder = writes_folder(request.to);
  auto& wanted = folder ? request.output_dir : request.output;
  auto& other = folder ? request.output : request.output_dir;
  if (wanted.value_or("").empty()) wanted = place_beside(request.adapter_path, request.to);
  other.reset();
  return request;
}

std::string place_of(const ConvertRequest& request) {
  const ConvertRequest placed = with_place(request);
  return (writes_folder(request.to) ? placed.output_dir : placed.output).value_or("");
}

}  // namespace dorabooth
