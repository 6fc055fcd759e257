// A command's arguments: flags made from its request's field list, a config file, --help,
// --print_config. Precedence: default < --config FILE < flag.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "src/config/field_list.h"
#include "ui/cli/foreign_flags.h"

namespace dorabooth {

struct CommandText {
  std::string name;          // "train"
  std::string summary;       // one line
  std::string positional;    // field that may be given without its flag; "" if there is none
  bool has_json = false;     // --json prints the report as JSON
  std::string example = {};  // a whole command line, after the summary in --help
  std::vector<std::string> usual = {};  // fields that most runs set: --help shows them first
  std::string dry_run = {};  // what --dry_run does; "": there is none
};

struct ReadArguments {
  bool done = false;  // --help or --print_config was answered
  bool json = false;
  bool dry_run = false;
  std::vector<std::string> given;  // fields that stood on the command line or in a config file
  std::vector<std::string> notes;  // on flags that were accepted and do nothing
};

// Sets the fields of `request` (a struct of `table`). Throws UsageError: an unknown flag names the
// nearest known one.
ReadArguments read_arguments(const CommandText& command, const FieldTable& table, void* request,
                             const std::vector<std::string>& arguments, std::ostream& out,
                             const std::vector<ForeignFlag>& foreign = {});

// What --help prints: flags by group with type, default, bounds and choices.
std::string help_text(const CommandText& command, const FieldTable& table, const void* defaults);

}  // namespace dorabooth
