// The program: chooses the subcommand, turns exceptions into one sentence and an exit status.
#include <iostream>
#include <new>

#include "src/base/error.h"
#include "ui/cli/commands.h"

namespace dorabooth {

namespace {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments&, const Streams&);
};

constexpr Command kCommands[] = {
    {"train", "train LoRA and DoRA adapters on a folder of pictures", train_command},
    {"sweep", "train at every point of a grid over settings, and compare", sweep_command},
    {"sample", "draw pictures from prompts at fixed seeds", sample_command},
    {"compare", "base and adapters side by side on one sheet", compare_command},
    {"evaluate", "denoising loss of base and adapters on captioned pictures", evaluate_command},
    {"reconstruct", "say what an autoencoder loses of pictures", reconstruct_command},
    {"rank", "say whether generated pictures show their concepts", rank_command},
    {"merge", "write a base with adapters merged into its weights", merge_command},
    {"convert", "write an adapter again for another program", convert_command},
    {"extract", "an adapter out of a fully trained model", extract_command},
    {"resize", "an adapter of another rank", resize_command},
    {"restyle", "draw flat pictures again in many styles", restyle_command},
    {"mark", "draw a frame and a badge on pictures", mark_command},
    {"match", "say which pictures carry such a mark", match_command},
    {"inspect", "say what a safetensors file or a model folder is", inspect_command},
    {"analyze", "change of magnitude against change of direction (the paper's eq. 2 to 4)",
     analyze_command},
    {"pretrain", "train a small base of one's own from nothing", pretrain_command},
    {"bench", "time a training step, a sampling step, a load or a merge", bench_command},
    {"gui", "open the desktop program", gui_command},
};

std::string usage_text() {
  std::string text =
      "usage: dorabooth COMMAND [--NAME VALUE]…\n\n"
      "Personalizes SDXL from a folder of pictures with LoRA and DoRA.\n\nCommands:\n";
  for (const Command& command : kCommands) {
    std::string name = command.name;
    name.resize(12, ' ');
    text += "  " + name + command.summary + "\n";
  }
  return text + "\ndorabooth COMMAND --help lists a command's flags; dorabooth --version.\n";
}

const Command& find_command(const std::string& name) {
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (name == command.name) return command;
    names.emplace_back(command.name);
  }
  throw UsageError(concat("unknown command '", name, "'", did_you_mean(name, names),
                          "; dorabooth --help lists them"));
}

// LibTorch's errors carry a stack trace below their first line.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

int run(const Arguments& arguments, const Streams& streams) {
  if (arguments.empty()) {
    streams.errors << usage_text();
    return 2;
  }
  const std::string& word = arguments.front();
  if (word == "--help" || word == "-h" || word == "help") {
    streams.out << usage_text();
    return 0;
  }
  if (word == "--version") {
    streams.out << "dorabooth " << DORABOOTH_VERSION << '\n';
    return 0;
  }
  const std::string name = "dorabooth " + word + ": ";
  try {
    if (word == "bench-worker") {
      return bench_worker_command(Arguments(arguments.begin() + 1, arguments.end()), streams);
    }
    const Command& command = find_command(word);
    return command.run(Arguments(arguments.begin() + 1, arguments.end()), streams);
  } catch (const UsageError& error) {
    streams.errors << name << error.what() << '\n';
    return 2;
  } catch (const Error& error) {
    streams.errors << name << error.what() << '\n';
  } catch (const std::bad_alloc&) {
    streams.errors << name << "there is not enough memory\n";
  } catch (const std::exception& error) {
    streams.errors << name << first_line(error.what()) << '\n';
  }
  return 1;
}

}  // namespace

}  // namespace dorabooth

int main(int argc, char** argv) {
  return dorabooth::run({argv + 1, argv + argc}, {std::cout, std::cerr});
}
