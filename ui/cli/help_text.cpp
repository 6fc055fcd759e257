// --help, from the field list.
#include <nlohmann/json.hpp>

#include "src/config/field_text.h"

#include "ui/cli/arguments.h"

namespace dorabooth {

namespace {

constexpr size_t kWidth = 100;
constexpr const char* kIndent = "      ";

std::string value_name(const Field& field) {
  switch (field.type) {
    case FieldType::kBool:
      return "[true|false]";
    case FieldType::kInteger:
      return "N";
    case FieldType::kNumber:
      return "X";
    case FieldType::kText:
      return "TEXT";
    case FieldType::kTextList:
      return "TEXT…";
    case FieldType::kIntegerList:
      return "N,N,…";
    case FieldType::kNumberList:
      return "X,X,…";
  }
  return "";
}

std::string wrapped(const std::string& text) {
  std::string result;
  size_t column = kWidth;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    begin = end + 1;
    if (column + 1 + word.size() > kWidth) {
      result += (result.empty() ? "" : "\n") + std::string(kIndent) + word;
      column = std::string(kIndent).size() + word.size();
    } else {
      result += " " + word;
      column += 1 + word.size();
    }
  }
  return result + "\n";
}

std::string limits_text(const Field& field, const nlohmann::json& value) {
  std::string text;
  for (const std::string& choice : field.choices) text += (text.empty() ? "" : "|") + choice;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (const std::string bounds = bounds_text(field); !bounds.empty()) add(bounds);
  const bool says_default = !value.is_null() && value != "" && !(value.is_array() && value.empty());
  if (says_default) {
    std::string shown = value.dump();
    if (value.is_string()) shown = value.get<std::string>();
    if (value.is_array()) shown = shown.substr(1, shown.size() - 2);
    add("default " + shown);
  }
  return text.empty() ? "" : " (" + text + ")";
}

}  // namespace

std::string help_text(const CommandText& command, const FieldTable& table, const void* defaults) {
  std::string text = "usage: dorabooth " + command.name;
  if (!command.positional.empty()) text += " [" + command.positional + "]";
  text += " [--NAME VALUE]…\n\n" + command.summary + "\n";
  std::string group = "\n";
  for (const Field& field : table.fields()) {
    if (field.group != group) text += "\n" + field.group + "\n";
    group = field.group;
    text += "  --" + field.name + " " + value_name(field) + "\n";
    text += wrapped(field.help + limits_text(field, table.get(defaults, field)));
  }
  text += "\nEvery command\n";
  text += "  --config FILE\n" + wrapped("The same names in JSON; flags win over it.");
  text += "  --print_config\n" + wrapped("Print the resolved settings as JSON and stop.");
  if (command.has_json) text += "  --json\n" + wrapped("Print the result as JSON.");
  text += "  --help\n" + wrapped("Print this and stop.");
  return text;
}

}  // namespace dorabooth
