// --help, from the field list.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "src/config/field_text.h"

#include "ui/cli/arguments.h"

namespace dorabooth {

namespace {

constexpr size_t kWidth = 100;
constexpr size_t kHelpColumn = 36;

// Of UTF-8.
size_t characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

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

// The words of `text`, of which the first stands at `indent` already; further lines begin there
// too.
std::string wrapped(const std::string& text, size_t indent) {
  std::string result;
  size_t column = indent;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const size_t width = characters(word);
    if (column > indent && column + 1 + width > kWidth) {
      result += "\n" + std::string(indent, ' ');
      column = indent;
    }
    if (column > indent) result += " ";
    column += width + (column > indent ? 1 : 0);
    result += word;
  }
  return result + "\n";
}

// Help has its own column: beside a short flag, below a long one.
std::string entry(const std::string& flag, const std::string& help) {
  std::string result = "  " + flag;
  const size_t width = characters(result);
  const bool is_long = width + 2 > kHelpColumn;
  result += is_long ? "\n" + std::string(kHelpColumn, ' ') : std::string(kHelpColumn - width, ' ');
  return result + wrapped(help, kHelpColumn);
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

std::string entry(const FieldTable& table, const void* defaults, const Field& field) {
  return entry("--" + field.name + " " + value_name(field),
               field.help + limits_text(field, table.get(defaults, field)));
}

// A list of flags as long as train's is found one's way in by its groups.
std::string group_names(const FieldTable& table) {
  std::string names;
  std::string group;
  for (const Field& field : table.fields()) {
    if (field.group != group) names += (names.empty() ? "" : " · ") + field.group;
    group = field.group;
  }
  return names;
}

}  // namespace

std::string help_text(const CommandText& command, const FieldTable& table, const void* defaults) {
  std::string text = "usage: dorabooth " + command.name;
  if (!command.positional.empty()) text += " [" + command.positional + "]";
  text += " [--NAME VALUE]…\n\n" + command.summary + "\n";
  if (!command.example.empty()) text += "\n  " + command.example + "\n";
  if (!command.usual.empty()) {
    text += "\n" + wrapped("Below: the flags that most runs set, then all by group: " +
                               group_names(table) + ".",
                           0);
    text += "\nMost runs set\n";
    for (const std::string& name : command.usual) text += entry(table, defaults, table.at(name));
  }
  std::string group = "\n";
  for (const Field& field : table.fields()) {
    if (field.group != group) text += "\n" + field.group + "\n";
    group = field.group;
    text += entry(table, defaults, field);
  }
  text += "\nEvery command\n";
  text += entry("--config FILE", "The same names in JSON; flags win over it.");
  text += entry("--print_config", "Print the resolved settings as JSON and stop.");
  if (!command.dry_run.empty()) text += entry("--dry_run", command.dry_run);
  if (command.has_json) text += entry("--json", "Print the result as JSON.");
  text += entry("--help", "Print this and stop.");
  return text;
}

}  // namespace dorabooth
