// CLI11 splits the words; the field list gives them their meaning.
#include "ui/cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "src/base/error.h"

namespace dorabooth {

using nlohmann::json;

namespace {

// "true" for "True" (as the scripts' command lines have it), "" for what is no truth value.
std::string truth_word(std::string word) {
  static const std::vector<std::string> words = {"true", "false", "1",  "0",
                                                 "yes",  "no",    "on", "off"};
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(words.begin(), words.end(), word) != words.end() ? word : "";
}

// Of a boolean field "--flag" becomes "--flag=true", "--flag False" and "--flag=False"
// "--flag=false".
std::vector<std::string> with_explicit_booleans(const FieldTable& table,
                                                const std::vector<std::string>& arguments) {
  std::vector<std::string> result;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const size_t equals = std::min(word.find('='), word.size());
    const Field* field = word.starts_with("--") ? table.find(word.substr(2, equals - 2)) : nullptr;
    if (field == nullptr || field->type != FieldType::kBool) {
      result.push_back(word);
    } else if (equals < word.size()) {
      const std::string value = truth_word(word.substr(equals + 1));
      result.push_back(value.empty() ? word : word.substr(0, equals + 1) + value);
    } else {
      const std::string value = i + 1 < arguments.size() ? truth_word(arguments[i + 1]) : "";
      if (!value.empty()) ++i;
      result.push_back(word + "=" + (value.empty() ? "true" : value));
    }
  }
  return result;
}

CLI::Option* add_value_option(CLI::App& app, const std::string& name) {
  return app.add_option(name)->expected(1)->allow_extra_args(false)->multi_option_policy(
      CLI::MultiOptionPolicy::TakeAll);
}

json read_config_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw UsageError(concat("--config ", path, ": cannot be read"));
  try {
    return json::parse(file);
  } catch (const json::exception& error) {
    throw UsageError(concat("--config ", path, ": not JSON: ", error.what()));
  }
}

void refuse_unknown(const std::vector<std::string>& remaining, const FieldTable& table) {
  if (remaining.empty()) return;
  const auto is_flag = [](const std::string& word) { return word.rfind("-", 0) == 0; };
  const auto flag = std::find_if(remaining.begin(), remaining.end(), is_flag);
  if (flag == remaining.end())
    throw UsageError(concat("unexpected argument '", remaining.front(), "'"));
  const std::string name = flag->substr(0, flag->find('='));
  std::vector<std::string> known = {"--config", "--print_config", "--json", "--dry_run", "--help"};
  for (const std::string& field : table.names()) known.push_back("--" + field);
  throw UsageError(concat("unknown flag ", name, did_you_mean(name, known)));
}

void apply(const FieldTable& table, void* request, const Field& field,
           const std::vector<std::string>& values) {
  if (field.type == FieldType::kTextList) {
    const bool clears = field.optional && values.size() == 1 && values.front() == "none";
    return table.set(request, field, clears ? json(nullptr) : json(values), "--" + field.name);
  }
  std::string text = values.back();
  if (field.type == FieldType::kIntegerList || field.type == FieldType::kNumberList)
    text = CLI::detail::join(values, ",");
  table.set_text(request, field, text);
}

void parse(CLI::App& app, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
}

struct ParsedFlag {
  const Field* field;
  CLI::Option* option;
};

// Flags of the scripts that are not ours, hidden from help; checks what was given of them.
class ForeignOptions {
 public:
  ForeignOptions(CLI::App& app, const std::vector<ForeignFlag>& flags) : app_(app) {
    for (const ForeignFlag& flag : flags) {
      const std::string name = concat("--", flag.name);
      options_.push_back(
          {&flag, flag.takes_value ? add_value_option(app, name) : app.add_flag(name)});
    }
  }

  // Appends to the notes; sets the fields that stand for such a flag here.
  void take(const FieldTable& table, void* request, ReadArguments& result) const {
    for (const auto& [flag, option] : options_) {
      if (option->count() == 0) continue;
      const std::string value = flag->takes_value ? option->results().back() : "";
      const std::string field = flag->folder_of;
      if (!field.empty() && std::filesystem::is_directory(value)) {
        if (app_.count("--" + field) > 0) {
          throw UsageError(concat("--", flag->name, " and --", field, ": give one of them"));
        }
        table.set_text(request, table.at(field), value);
        result.given.push_back(field);
        continue;
      }
      const std::string note = foreign_flag_note(*flag, value);
      if (!note.empty()) result.notes.push_back(note);
    }
  }

 private:
  const CLI::App& app_;
  std::vector<std::pair<const ForeignFlag*, CLI::Option*>> options_;
};

void take_config_files(const FieldTable& table, void* request,
                       const std::vector<std::string>& paths, ReadArguments& result) {
  for (const std::string& path : paths) {
    const json values = read_config_file(path);
    table.from_json(request, values, path);
    for (const auto& [key, value] : values.items()) {
      if (table.find(key)) result.given.push_back(key);
    }
  }
}

// `from_scripts`: values as the scripts spell them are read too.
void take_flags(const FieldTable& table, void* request, const std::vector<ParsedFlag>& flags,
                bool from_scripts, ReadArguments& result) {
  for (const auto& [field, option] : flags) {
    if (option->count() == 0) continue;
    std::vector<std::string> values;
    for (const std::string& given : option->results()) {
      std::string note;
      const auto value = from_scripts ? value_from_scripts(field->name, given, note) : given;
      if (!note.empty()) result.notes.push_back(note);
      if (value) values.push_back(*value);
    }
    if (values.empty()) continue;
    apply(table, request, *field, values);
    result.given.push_back(field->name);
  }
}

}  // namespace

ReadArguments read_arguments(const CommandText& command, const FieldTable& table, void* request,
                             const std::vector<std::string>& arguments, std::ostream& out,
                             const std::vector<ForeignFlag>& foreign) {
  CLI::App app(command.summary, command.name);
  app.set_help_flag();
  app.allow_extras();
  const CLI::Option* help = app.add_flag("--help,-h");
  const CLI::Option* print_config = app.add_flag("--print_config");
  const CLI::Option* as_json = command.has_json ? app.add_flag("--json") : nullptr;
  const CLI::Option* dry_run = command.dry_run.empty() ? nullptr : app.add_flag("--dry_run");
  CLI::Option* config = add_value_option(app, "--config");
  std::vector<ParsedFlag> flags;
  for (const Field& field : table.fields()) {
    const bool positional = field.name == command.positional;
    flags.push_back(
        {&field, add_value_option(app, (positional ? field.name + "," : "") + "--" + field.name)});
  }
  const ForeignOptions scripts(app, foreign);
  parse(app, with_explicit_booleans(table, arguments));

  ReadArguments result;
  result.json = as_json != nullptr && as_json->count() > 0;
  result.dry_run = dry_run != nullptr && dry_run->count() > 0;
  if (help->count() > 0) {
    out << help_text(command, table, request);
    result.done = true;
    return result;
  }
  refuse_unknown(app.remaining(), table);
  take_config_files(table, request, config->results(), result);
  scripts.take(table, request, result);
  take_flags(table, request, flags, !foreign.empty(), result);
  if (print_config->count() > 0) {
    out << table.to_json(request).dump(2) << '\n';
    result.done = true;
  }
  return result;
}

}  // namespace dorabooth
