// One field list per struct: name, default, help, bounds and choices of every field, once. From it
// come JSON both ways, command-line flags, --help, range checks with the path in the message, GUI
// forms and the generated pages. The default of a field is the value in a default-made struct.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace dorabooth {

enum class FieldType { kBool, kInteger, kNumber, kText, kTextList, kIntegerList, kNumberList };

namespace field_detail {
template <typename T>
struct TypeOf;
template <>
struct TypeOf<bool> {
  static constexpr FieldType kType = FieldType::kBool;
};
template <>
struct TypeOf<int64_t> {
  static constexpr FieldType kType = FieldType::kInteger;
};
template <>
struct TypeOf<double> {
  static constexpr FieldType kType = FieldType::kNumber;
};
template <>
struct TypeOf<std::string> {
  static constexpr FieldType kType = FieldType::kText;
};
template <>
struct TypeOf<std::vector<std::string>> {
  static constexpr FieldType kType = FieldType::kTextList;
};
template <>
struct TypeOf<std::vector<int64_t>> {
  static constexpr FieldType kType = FieldType::kIntegerList;
};
template <>
struct TypeOf<std::vector<double>> {
  static constexpr FieldType kType = FieldType::kNumberList;
};

template <typename T>
struct Unwrapped {
  using Type = T;
  static constexpr bool kOptional = false;
};
template <typename T>
struct Unwrapped<std::optional<T>> {
  using Type = T;
  static constexpr bool kOptional = true;
};
}  // namespace field_detail

struct Field {
  std::string name;  // JSON key and flag
  std::string help;
  std::string group;  // heading in --help, in forms and in the generated page
  FieldType type = FieldType::kText;
  bool optional = false;  // may be absent (null)
  std::optional<double> minimum;
  std::optional<double> maximum;
  bool minimum_excluded = false;
  std::vector<std::string> choices;
  std::function<void*(void*)> address;  // of the member inside a struct

  Field& at_least(double value) {
    minimum = value;
    return *this;
  }
  Field& above(double value) {
    minimum = value;
    minimum_excluded = true;
    return *this;
  }
  Field& at_most(double value) {
    maximum = value;
    return *this;
  }
  Field& one_of(std::vector<std::string> values) {
    choices = std::move(values);
    return *this;
  }
};

// What does not depend on the struct's type; `object` always points to the struct the list was made
// for.
class FieldTable {
 public:
  const std::vector<Field>& fields() const { return fields_; }
  const Field* find(const std::string& name) const;
  // Throws UsageError with the nearest name.
  const Field& at(const std::string& name) const;
  std::vector<std::string> names() const;

  nlohmann::json get(const void* object, const Field& field) const;
  // Checks type, bounds and choices; `where` opens the message ("configs/x.json: rank"). A list of
  // texts takes a single text as a list of one, and null as an empty one.
  void set(void* object, const Field& field, const nlohmann::json& value,
           const std::string& where) const;
  // A flag's text: "true", "16", "1e-4"; lists append one element, or several separated by commas
  // for numbers. The text "none" clears an optional field.
  void set_text(void* object, const Field& field, const std::string& text) const;

  nlohmann::json to_json(const void* object) const;
  // Keys that are absent keep their value; a key that starts with "_" is bookkeeping (run.json's
  // "_environment"); any other unknown key is a UsageError with the nearest name.
  void from_json(void* object, const nlohmann::json& json, const std::string& where) const;

 protected:
  void add_field(Field field);
  std::string group_;

 private:
  std::vector<Field> fields_;
};

template <typename T>
class FieldList : public FieldTable {
 public:
  // Fields added from here on stand under this heading.
  void group(const std::string& heading) { group_ = heading; }

  // `member` may belong to a base of T: shared groups of fields are base structs.
  template <typename M, typename B>
  Field& add(const std::string& name, M B::*member, const std::string& help) {
    using Traits = field_detail::Unwrapped<M>;
    Field field;
    field.name = name;
    field.help = help;
    field.group = group_;
    field.type = field_detail::TypeOf<typename Traits::Type>::kType;
    field.optional = Traits::kOptional;
    field.address = [member](void* object) -> void* { return &(static_cast<T*>(object)->*member); };
    add_field(std::move(field));
    return const_cast<Field&>(fields().back());
  }
};

// Parses a component's config.json (diffusers, transformers): known keys are set; a key that starts
// with "_" is bookkeeping; any other key must be null, false, or hold the value listed for it in
// `neutral` (the one value that this program computes). Otherwise an error names key and value.
// A key whose neutral value is the string "*" may hold anything.
void parse_component_config(const FieldTable& table, void* object, const nlohmann::json& json,
                            const nlohmann::json& neutral, const std::string& where);

// Markdown table of all fields by group, for configs/README.md.
std::string field_list_markdown(const FieldTable& table, const void* defaults);

}  // namespace dorabooth
