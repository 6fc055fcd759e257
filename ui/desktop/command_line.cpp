#include "ui/desktop/command_line.h"

#include <cctype>
#include <nlohmann/json.hpp>

namespace dorabooth {

using nlohmann::json;

namespace {

std::string quoted(const std::string& word) {
  bool plain = !word.empty();
  for (const char c : word)
    plain = plain && (std::isalnum(static_cast<unsigned char>(c)) ||
                      std::string("_-./:=,+@%").find(c) != std::string::npos);
  if (plain) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string word_of(const json& value) {
  return value.is_string() ? quoted(value.get<std::string>()) : value.dump();
}

std::string flag_text(const Field& field, const json& value) {
  const std::string flag = " --" + field.name;
  if (value.is_null()) return flag + " none";
  if (field.type == FieldType::kBool) return value.get<bool>() ? flag : flag + " false";
  if (!value.is_array()) return flag + " " + word_of(value);
  std::string text;
  for (const json& element : value) {
    if (field.type == FieldType::kTextList) {
      text += flag + " " + word_of(element);
    } else {
      text += (text.empty() ? flag + " " : ",") + word_of(element);
    }
  }
  return text;
}

}  // namespace

std::string command_text(const std::string& command, const FieldTable& table, const void* object,
                         const void* defaults) {
  std::string text = "dorabooth " + command;
  for (const Field& field : table.fields()) {
    const json value = table.get(object, field);
    if (value != table.get(defaults, field)) text += flag_text(field, value);
  }
  return text;
}

std::string train_command(const TrainConfig& config) {
  static const TrainConfig defaults;
  return command_text("train", train_fields(), &config, &defaults);
}

}  // namespace dorabooth
