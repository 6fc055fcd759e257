// How a request names an adapter: FILE[:strength], or NAME=FILE[:strength].
#pragma once

#include <string>

namespace dorabooth {

struct AdapterArgument {
  std::string name;  // what a heading says
  std::string path;
  double strength = 1.0;

  std::string text() const;  // FILE[:strength], the strength only where it is not 1
};

// The name is the file's stem; of pytorch_lora_weights.safetensors, its folder's name.
AdapterArgument parse_adapter_argument(const std::string& text);
// [NAME=]FILE[:strength]; what stands before '=' is part of the path if it holds a '/'.
AdapterArgument parse_named_adapter(const std::string& text);

}  // namespace dorabooth
