// Conversions between field values, JSON and flag texts, with the checks.
#include "src/config/field_list.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "src/config/field_text.h"

namespace dorabooth {

using nlohmann::json;

namespace {

const char* type_text(FieldType type) {
  switch (type) {
    case FieldType::kBool:
      return "true or false";
    case FieldType::kInteger:
      return "an integer";
    case FieldType::kNumber:
      return "a number";
    case FieldType::kText:
      return "a text";
    case FieldType::kTextList:
      return "a list of texts";
    case FieldType::kIntegerList:
      return "a list of integers";
    case FieldType::kNumberList:
      return "a list of numbers";
  }
  return "";
}

template <typename T>
json read_member(const Field& field, const void* member) {
  if (!field.optional) return *static_cast<const T*>(member);
  const auto& value = *static_cast<const std::optional<T>*>(member);
  return value ? json(*value) : json(nullptr);
}

template <typename T>
void write_member(const Field& field, void* member, const json& value) {
  if (!field.optional) {
    *static_cast<T*>(member) = value.get<T>();
  } else if (value.is_null()) {
    static_cast<std::optional<T>*>(member)->reset();
  } else {
    *static_cast<std::optional<T>*>(member) = value.get<T>();
  }
}

bool is_integer(const json& value) {
  return value.is_number_integer() ||
         (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
}

bool has_type(FieldType type, const json& value) {
  const auto all = [&](auto&& check) {
    if (!value.is_array()) return false;
    for (const json& element : value) {
      if (!check(element)) return false;
    }
    return true;
  };
  switch (type) {
    case FieldType::kBool:
      return value.is_boolean();
    case FieldType::kInteger:
      return is_integer(value);
    case FieldType::kNumber:
      return value.is_number();
    case FieldType::kText:
      return value.is_string();
    case FieldType::kTextList:
      return all([](const json& e) { return e.is_string(); });
    case FieldType::kIntegerList:
      return all(is_integer);
    case FieldType::kNumberList:
      return all([](const json& e) { return e.is_number(); });
  }
  return false;
}

// A setting that became a list keeps reading what stands in older files: a text is a list of one,
// null an empty one.
json as_list_where_wanted(const Field& field, const json& value) {
  if (field.type != FieldType::kTextList) return value;
  if (value.is_string()) return json::array({value});
  if (value.is_null() && !field.optional) return json::array();
  return value;
}

std::string number_text(double value) {
  return std::floor(value) == value && std::abs(value) < 1e15
             ? std::to_string(static_cast<int64_t>(value))
             : json(value).dump();
}

void check_scalar(const Field& field, const json& value, const std::string& where) {
  if (value.is_number() && (field.minimum || field.maximum)) {
    const double number = value.get<double>();
    const bool low = field.minimum && (number < *field.minimum ||
                                       (field.minimum_excluded && number == *field.minimum));
    const bool high = field.maximum && number > *field.maximum;
    if (low || high || std::isnan(number)) {
      throw UsageError(
          concat(where, ": want a value ", bounds_text(field), ", got ", value.dump()));
    }
  }
  if (value.is_string() && !field.choices.empty()) {
    const std::string text = value.get<std::string>();
    for (const std::string& choice : field.choices) {
      if (choice == text) return;
    }
    std::string known;
    for (const std::string& choice : field.choices) known += (known.empty() ? "" : ", ") + choice;
    throw UsageError(
        concat(where, ": '", text, "' is not one of ", known, did_you_mean(text, field.choices)));
  }
}

json parse_scalar(const Field& field, FieldType type, const std::string& text) {
  const auto wrong = [&]() -> UsageError {
    return UsageError(concat("--", field.name, ": want ", type_text(type), ", got '", text, "'"));
  };
  const char* end = text.data() + text.size();
  switch (type) {
    case FieldType::kBool:
      if (text == "true" || text == "1" || text == "yes" || text == "on") return true;
      if (text == "false" || text == "0" || text == "no" || text == "off") return false;
      throw wrong();
    case FieldType::kInteger: {
      int64_t value = 0;
      const auto [stop, error] = std::from_chars(text.data(), end, value);
      if (error != std::errc() || stop != end) throw wrong();
      return value;
    }
    case FieldType::kNumber: {
      double value = 0;
      const auto [stop, error] = std::from_chars(text.data(), end, value);
      if (error != std::errc() || stop != end || !std::isfinite(value)) throw wrong();
      return value;
    }
    default:
      return text;
  }
}

}  // namespace

std::string bounds_text(const Field& field) {
  const std::string low = field.minimum ? (field.minimum_excluded ? "above " : "at least ") +
                                              number_text(*field.minimum)
                                        : "";
  const std::string high = field.maximum ? "at most " + number_text(*field.maximum) : "";
  return low + (low.empty() || high.empty() ? "" : " and ") + high;
}

const Field* FieldTable::find(const std::string& name) const {
  for (const Field& field : fields_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

const Field& FieldTable::at(const std::string& name) const {
  if (const Field* field = find(name)) return *field;
  throw UsageError(concat("unknown setting '", name, "'", did_you_mean(name, names())));
}

std::vector<std::string> FieldTable::names() const {
  std::vector<std::string> names;
  for (const Field& field : fields_) names.push_back(field.name);
  return names;
}

void FieldTable::add_field(Field field) {
  if (find(field.name)) throw std::logic_error("field declared twice: " + field.name);
  fields_.push_back(std::move(field));
}

json FieldTable::get(const void* object, const Field& field) const {
  const void* member = field.address(const_cast<void*>(object));
  switch (field.type) {
    case FieldType::kBool:
      return read_member<bool>(field, member);
    case FieldType::kInteger:
      return read_member<int64_t>(field, member);
    case FieldType::kNumber:
      return read_member<double>(field, member);
    case FieldType::kText:
      return read_member<std::string>(field, member);
    case FieldType::kTextList:
      return read_member<std::vector<std::string>>(field, member);
    case FieldType::kIntegerList:
      return read_member<std::vector<int64_t>>(field, member);
    case FieldType::kNumberList:
      return read_member<std::vector<double>>(field, member);
  }
  return nullptr;
}

void FieldTable::set(void* object, const Field& field, const json& given,
                     const std::string& where) const {
  const json value = as_list_where_wanted(field, given);
  if (!(field.optional && value.is_null())) {
    if (!has_type(field.type, value)) {
      throw UsageError(concat(where, ": want ", type_text(field.type), ", got ", value.dump()));
    }
    if (value.is_array()) {
      for (const json& element : value) check_scalar(field, element, where);
    } else {
      check_scalar(field, value, where);
    }
  }
  void* member = field.address(object);
  switch (field.type) {
    case FieldType::kBool:
      return write_member<bool>(field, member, value);
    case FieldType::kInteger:
      return write_member<int64_t>(field, member, value);
    case FieldType::kNumber:
      return write_member<double>(field, member, value);
    case FieldType::kText:
      return write_member<std::string>(field, member, value);
    case FieldType::kTextList:
      return write_member<std::vector<std::string>>(field, member, value);
    case FieldType::kIntegerList:
      return write_member<std::vector<int64_t>>(field, member, value);
    case FieldType::kNumberList:
      return write_member<std::vector<double>>(field, member, value);
  }
}

void FieldTable::set_text(void* object, const Field& field, const std::string& text) const {
  const std::string where = "--" + field.name;
  if (field.optional && text == "none") return set(object, field, nullptr, where);
  switch (field.type) {
    case FieldType::kTextList: {
      json list = get(object, field);
      if (list.is_null()) list = json::array();
      list.push_back(text);
      return set(object, field, list, where);
    }
    case FieldType::kIntegerList:
    case FieldType::kNumberList: {
      const FieldType element =
          field.type == FieldType::kIntegerList ? FieldType::kInteger : FieldType::kNumber;
      json list = json::array();
      size_t begin = 0;
      while (begin <= text.size()) {
        const size_t comma = std::min(text.find(',', begin), text.size());
        list.push_back(parse_scalar(field, element, text.substr(begin, comma - begin)));
        begin = comma + 1;
      }
      return set(object, field, list, where);
    }
    default:
      return set(object, field, parse_scalar(field, field.type, text), where);
  }
}

json FieldTable::to_json(const void* object) const {
  json result = json::object();
  for (const Field& field : fields_) result[field.name] = get(object, field);
  return result;
}

void FieldTable::from_json(void* object, const json& values, const std::string& where) const {
  if (!values.is_object())
    throw UsageError(concat(where, ": want a JSON object, got ", values.type_name()));
  for (const auto& [key, value] : values.items()) {
    if (key.starts_with("_")) continue;
    const Field* field = find(key);
    if (!field)
      throw UsageError(concat(where, ": unknown key '", key, "'", did_you_mean(key, names())));
    set(object, *field, value, where + ": " + key);
  }
}

void parse_component_config(const FieldTable& table, void* object, const json& values,
                            const json& neutral, const std::string& where) {
  if (!values.is_object()) fail(where, ": want a JSON object, got ", values.type_name());
  for (const auto& [key, value] : values.items()) {
    if (const Field* field = table.find(key)) {
      if (value.is_null() && !field->optional) continue;
      table.set(object, *field, value, where + ": " + key);
      continue;
    }
    if (key.starts_with("_") || value.is_null() || value == false) continue;
    const auto allowed = neutral.find(key);
    if (allowed != neutral.end() && (*allowed == "*" || *allowed == value)) continue;
    if (allowed == neutral.end())
      fail(where, ": '", key, "' = ", value.dump(), " is not known to this program");
    fail(where, ": '", key, "' = ", value.dump(), " is not supported (only ", allowed->dump(),
         " is)");
  }
}

std::string field_list_markdown(const FieldTable& table, const void* defaults) {
  std::string text;
  std::string group = "\n";
  for (const Field& field : table.fields()) {
    if (field.group != group) {
      group = field.group;
      if (!group.empty()) text += "\n**" + group + "**\n";
      text += "\n| name | default | what it does |\n| --- | --- | --- |\n";
    }
    std::string help = field.help;
    if (!field.choices.empty()) {
      help += " One of:";
      for (const std::string& choice : field.choices) help += " `" + choice + "`";
      help += ".";
    }
    if (const std::string bounds = bounds_text(field); !bounds.empty()) help += " (" + bounds + ")";
    text +=
        "| `" + field.name + "` | `" + table.get(defaults, field).dump() + "` | " + help + " |\n";
  }
  return text;
}

}  // namespace dorabooth
