// A small state machine over the characters of a CSV file.
#include "datasets/csv.h"

#include "src/base/error.h"

namespace dorabooth {

namespace {

class CsvParser {
 public:
  explicit CsvParser(std::string_view text) : text_(text) {}

  std::vector<CsvRecord> parse() {
    while (at_ < text_.size()) {
      if (!skip_line_end()) parse_record();
    }
    return std::move(records_);
  }

 private:
  bool skip_line_end() {
    if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
    if (text_[at_] != '\n') return false;
    ++at_;
    ++line_;
    return true;
  }

  void parse_record() {
    CsvRecord record{line_, at_, at_, {}};
    while (true) {
      record.fields.push_back(parse_field());
      if (at_ < text_.size() && text_[at_] == ',') {
        ++at_;
        continue;
      }
      record.end = at_;
      // An unquoted last field ended before the \r of the line's end.
      if (at_ > record.begin && at_ < text_.size() && text_[at_] == '\n' && text_[at_ - 1] == '\r')
        --record.end;
      if (at_ < text_.size() && !skip_line_end())
        fail("line ", line_, ": text after a closing quote");
      break;
    }
    records_.push_back(std::move(record));
  }

  std::string parse_field() {
    if (at_ < text_.size() && text_[at_] == '"') return parse_quoted();
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n') ++at_;
    size_t end = at_;
    if (end > begin && at_ < text_.size() && text_[at_] == '\n' && text_[end - 1] == '\r') --end;
    return std::string(text_.substr(begin, end - begin));
  }

  std::string parse_quoted() {
    const size_t opened_at = line_;
    std::string field;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] != '"') {
        if (text_[at_] == '\n') ++line_;
        field += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        field += '"';
        ++at_;
      } else {
        ++at_;
        return field;
      }
    }
    fail("line ", opened_at, ": a quote is not closed");
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
  std::vector<CsvRecord> records_;
};

}  // namespace

std::vector<CsvRecord> parse_csv(std::string_view text) { return CsvParser(text).parse(); }

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) line += ',';
    if (fields[i].find_first_of(",\"\r\n") == std::string::npos) {
      line += fields[i];
      continue;
    }
    line += '"';
    for (const char c : fields[i]) line += c == '"' ? std::string("\"\"") : std::string(1, c);
    line += '"';
  }
  return line;
}

}  // namespace dorabooth
