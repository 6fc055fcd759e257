// Errors of the whole library: thrown with the value, the limit and the path in one sentence.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace dorabooth {

// Something the user can act on: a wrong file, value, shape, a full disk. what() is one sentence.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A wrong flag or config key: the command line exits with status 2 instead of 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

// All arguments written one after the other through operator<<.
template <typename... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

template <typename... Args>
[[noreturn]] void fail(const Args&... args) {
  throw Error(concat(args...));
}

// "[320,4,3,3]": shapes in messages.
std::string shape_text(const std::vector<long>& shape);

// The candidate closest to `word` by edit distance, or "" if none is within a third of its length.
std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates);

// " (did you mean 'rank'?)" or "": appended to messages about unknown names.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace dorabooth
