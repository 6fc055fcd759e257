// The paths of an SVG that Cairo has written, read without the code that drew them.
#pragma once

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

namespace dorabooth::testing {

struct SvgPath {
  std::string fill;    // "rgb(0%,44.7%,69.8%)" or "none"
  std::string stroke;  // likewise; "" without one
  std::vector<double> x;
  std::vector<double> y;  // of all points, control points included

  double left() const { return *std::ranges::min_element(x); }
  double right() const { return *std::ranges::max_element(x); }
  double top() const { return *std::ranges::min_element(y); }
  double bottom() const { return *std::ranges::max_element(y); }
  double centre_x() const { return (left() + right()) / 2; }
  double centre_y() const { return (top() + bottom()) / 2; }
};

inline std::string style_value(const std::string& style, const std::string& key) {
  for (size_t at = style.find(key + ":"); at != std::string::npos;
       at = style.find(key + ":", at + 1)) {
    if (at > 0 && style[at - 1] != ';' && style[at - 1] != ' ') continue;
    const size_t begin = at + key.size() + 1;
    return style.substr(begin, style.find(';', begin) - begin);
  }
  return "";
}

inline std::vector<SvgPath> svg_paths(const std::string& svg) {
  std::vector<SvgPath> paths;
  const std::string start = "<path style=\"";
  for (size_t at = svg.find(start); at != std::string::npos; at = svg.find(start, at + 1)) {
    const size_t style_end = svg.find('"', at + start.size());
    const std::string style = svg.substr(at + start.size(), style_end - at - start.size());
    const size_t data = svg.find("d=\"", style_end) + 3;
    std::string numbers = svg.substr(data, svg.find('"', data) - data);
    // A closed path names its start again.
    numbers = numbers.substr(0, numbers.find('Z'));
    SvgPath path{style_value(style, "fill"), style_value(style, "stroke"), {}, {}};
    static const std::regex number("-?[0-9.]+");
    std::vector<double> all;
    for (std::sregex_iterator i(numbers.begin(), numbers.end(), number), end; i != end; ++i)
      all.push_back(std::stod(i->str()));
    for (size_t i = 0; i + 1 < all.size(); i += 2) {
      path.x.push_back(all[i]);
      path.y.push_back(all[i + 1]);
    }
    if (!path.x.empty()) paths.push_back(path);
  }
  return paths;
}

}  // namespace dorabooth::testing
