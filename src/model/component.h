// The four parts of an SDXL base that have weights, by diffusers' folder names.
#pragma once

#include <array>
#include <string>

namespace dorabooth {

enum class Component { kUNet, kTextEncoder, kTextEncoder2, kVae };

inline constexpr std::array<Component, 4> kComponents = {Component::kUNet, Component::kTextEncoder,
                                                         Component::kTextEncoder2, Component::kVae};

const char* component_name(Component component);  // "unet", "text_encoder", …

}  // namespace dorabooth
