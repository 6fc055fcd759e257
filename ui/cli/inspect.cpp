// dorabooth inspect
#include "pipelines/inspect.h"

#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"

namespace dorabooth {

namespace {

const CommandText kText = {"inspect",
                           "Say what a safetensors file or a model folder is.\n"
                           "Exit status: 0 it is sound, 1 it has problems or cannot be read, 2 bad "
                           "usage.",
                           "path", true};

}  // namespace

int inspect_command(const Arguments& arguments, const Streams& streams) {
  InspectRequest request;
  const ReadArguments read =
      read_arguments(kText, inspect_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  if (request.path.empty())
    throw UsageError("which file? (dorabooth inspect FILE, or a model folder)");
  const InspectReport report = inspect(request);
  const int status = report.problems.empty() ? 0 : 1;
  if (read.json) {
    streams.out << report.json << '\n';
    return status;
  }
  streams.out << report.summary << '\n';
  for (const auto& [name, value] : report.facts)
    streams.out << "  " << name << ": " << value << '\n';
  for (const std::string& problem : report.problems) streams.out << "problem: " << problem << '\n';
  return status;
}

}  // namespace dorabooth
