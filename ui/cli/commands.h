// The subcommands: each reads its arguments, runs one pipeline, and prints the report. Returns the
// exit status; throws for the rest (UsageError: status 2, anything else: 1).
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace dorabooth {

struct Streams {
  std::ostream& out;     // results
  std::ostream& errors;  // progress, notes, messages
};

using Arguments = std::vector<std::string>;

int train_command(const Arguments& arguments, const Streams& streams);
int sweep_command(const Arguments& arguments, const Streams& streams);
int sample_command(const Arguments& arguments, const Streams& streams);
int compare_command(const Arguments& arguments, const Streams& streams);
int evaluate_command(const Arguments& arguments, const Streams& streams);
int reconstruct_command(const Arguments& arguments, const Streams& streams);
int rank_command(const Arguments& arguments, const Streams& streams);
int extract_command(const Arguments& arguments, const Streams& streams);
int resize_command(const Arguments& arguments, const Streams& streams);
int analyze_command(const Arguments& arguments, const Streams& streams);
int convert_command(const Arguments& arguments, const Streams& streams);
int merge_command(const Arguments& arguments, const Streams& streams);
int pretrain_command(const Arguments& arguments, const Streams& streams);
int restyle_command(const Arguments& arguments, const Streams& streams);
int mark_command(const Arguments& arguments, const Streams& streams);
int match_command(const Arguments& arguments, const Streams& streams);
int inspect_command(const Arguments& arguments, const Streams& streams);
int bench_command(const Arguments& arguments, const Streams& streams);
int gui_command(const Arguments& arguments, const Streams& streams);
// One variant of a bench, in a process of its own; no command of its users.
int bench_worker_command(const Arguments& arguments, const Streams& streams);

}  // namespace dorabooth
