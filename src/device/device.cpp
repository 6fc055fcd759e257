// --device: what was asked, what there is, and one sentence where they differ.
#include "src/device/device.h"

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "src/base/error.h"
#include "src/device/cuda_objects.h"

namespace dorabooth {

namespace {

int parse_index(const std::string& text, const std::string& digits) {
  const bool is_number = !digits.empty() && digits.size() <= 3 &&
                         digits.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number) throw UsageError(concat("--device ", text, ": want auto, cpu, cuda or cuda:N"));
  return std::stoi(digits);
}

// Empty if cuda:index can be used; otherwise the rest of a sentence that begins with "CUDA cannot
// be used: ".
std::string why_not_cuda(int index) {
  const CudaObjects& objects = cuda_objects();
  if (!objects.missing.empty()) return objects.missing;
  if (index >= objects.device_count) {
    return concat("there is no device ", index, ", the driver knows ", objects.device_count);
  }
  if (!at::globalContext().hasCUDA()) {
    return "LibTorch was used before its CUDA side was opened (open_device comes first)";
  }
  return "";
}

}  // namespace

std::string Device::text() const { return kind == Kind::kCpu ? "cpu" : concat("cuda:", index); }

DeviceRequest DeviceRequest::parse(const std::string& text) {
  if (text == "auto") return {Kind::kAuto, 0};
  if (text == "cpu") return {Kind::kCpu, 0};
  if (text == "cuda") return {Kind::kCuda, 0};
  if (text.rfind("cuda:", 0) == 0) return {Kind::kCuda, parse_index(text, text.substr(5))};
  throw UsageError(concat("--device ", text, ": want auto, cpu, cuda or cuda:N"));
}

Device open_device(const std::string& request) {
  const DeviceRequest asked = DeviceRequest::parse(request);
  if (asked.kind == DeviceRequest::Kind::kCpu) return {};
  const std::string reason = why_not_cuda(asked.index);
  if (reason.empty()) {
    const c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
    guard.setDevice({c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(asked.index)});
    return {Device::Kind::kCuda, asked.index};
  }
  if (asked.kind == DeviceRequest::Kind::kAuto) return {};
  fail("--device ", request, ": CUDA cannot be used: ", reason);
}

}  // namespace dorabooth
