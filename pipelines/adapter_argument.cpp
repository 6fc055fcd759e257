// Splits at the last colon, and only if a number follows it: paths may hold colons.
#include "pipelines/adapter_argument.h"

#include <charconv>
#include <cmath>
#include <filesystem>

#include "src/base/error.h"

namespace dorabooth {

namespace {

bool parse_number(const std::string& text, double& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && std::isfinite(value);
}

std::string usual_name(const std::filesystem::path& path) {
  if (path.filename() == "pytorch_lora_weights.safetensors" && path.has_parent_path()) {
    return std::filesystem::absolute(path).parent_path().filename().string();
  }
  const std::filesystem::path last = path.has_filename() ? path : path.parent_path();
  return last.extension() == ".safetensors" ? last.stem().string() : last.filename().string();
}

}  // namespace

std::string AdapterArgument::text() const {
  if (strength == 1.0) return path;
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, strength);
  return path + ":" + std::string(digits, end);
}

AdapterArgument parse_adapter_argument(const std::string& text) {
  AdapterArgument argument;
  argument.path = text;
  const size_t colon = text.rfind(':');
  if (colon != std::string::npos && parse_number(text.substr(colon + 1), argument.strength)) {
    argument.path = text.substr(0, colon);
  }
  if (argument.path.empty()) {
    throw UsageError(concat("an adapter is FILE or FILE:strength, got '", text, "'"));
  }
  argument.name = usual_name(argument.path);
  return argument;
}

AdapterArgument parse_named_adapter(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || text.substr(0, equals).find('/') != std::string::npos) {
    return parse_adapter_argument(text);
  }
  if (equals == 0) throw UsageError(concat("want NAME=FILE, got '", text, "' without a name"));
  AdapterArgument argument = parse_adapter_argument(text.substr(equals + 1));
  argument.name = text.substr(0, equals);
  return argument;
}

}  // namespace dorabooth
