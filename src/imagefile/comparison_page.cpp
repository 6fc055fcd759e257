// Everything that is not ours goes through escaped(); the script reads only what the table holds.
#include "src/imagefile/comparison_page.h"

#include <cstdint>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr const char* kStyle = R"(
body { margin: 1.5em; background: #262626; color: #ebebeb; font: 15px/1.4 sans-serif; }
h1 { font-size: 1.3em; margin: 0; }
p { color: #b0b0b0; margin: 0.3em 0 1em; }
table { border-collapse: collapse; }
th, td { padding: 0.4em; vertical-align: top; }
thead th { position: sticky; top: 0; background: #262626; }
tbody th { text-align: left; font-weight: normal; max-width: 14em; overflow-wrap: break-word; }
small, figcaption { color: #b0b0b0; }
figure { margin: 0; }
td img { display: block; width: 256px; cursor: zoom-in; }
#large { position: fixed; inset: 0; background: #1c1c1c; display: none; text-align: center; }
#large.open { display: flex; flex-direction: column; }
#large img { flex: 1; min-height: 0; object-fit: contain; image-rendering: auto; }
)";

// Without a character that XML would want escaped.
constexpr const char* kScript = R"(
var large = document.getElementById('large');
var shown = null;
function cell(row, column) {
  return document.querySelector('img[data-row="' + row + '"][data-column="' + column + '"]');
}
function show(image) {
  if (!image) return;
  shown = image;
  large.querySelector('img').src = image.src;
  large.querySelector('div').textContent = image.alt;
  large.className = 'open';
}
function close_large() { large.className = ''; shown = null; }
function step(rows, columns) {
  show(cell(Number(shown.dataset.row) + rows, Number(shown.dataset.column) + columns));
}
document.querySelectorAll('td img').forEach(function (image) {
  image.addEventListener('click', function () { show(image); });
});
large.addEventListener('click', close_large);
document.addEventListener('keydown', function (event) {
  if (!shown) return;
  var steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (event.key === 'Escape') close_large();
  if (!steps[event.key]) return;
  event.preventDefault();
  step(steps[event.key][0], steps[event.key][1]);
});
)";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // XML has no control characters but these three.
        out +=
            static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r' ? ' ' : c;
    }
  }
  return out;
}

std::string base64(const std::string& bytes) {
  constexpr const char* kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k) {
      const uint32_t byte = i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0;
      three = three << 8 | byte;
    }
    for (size_t k = 0; k < 4; ++k)
      out += i + k > bytes.size() ? '=' : kDigits[three >> (18 - 6 * k) & 63];
  }
  return out;
}

void add_cell(std::string& html, const ComparisonPage& page, size_t row, size_t column) {
  const ComparisonPageRow& of = page.rows[row];
  const ComparisonPageCell& cell = of.cells[column];
  html += "<td><figure>";
  if (cell.png.empty()) {
    html += "<em>not drawn</em>";
  } else {
    std::string alt = page.columns[column];
    for (const std::string& more : {cell.caption, of.prompt, of.detail})
      alt += more.empty() ? "" : " · " + more;
    html += concat("<img data-row=\"", row, "\" data-column=\"", column, "\" alt=\"", escaped(alt),
                   "\" src=\"data:image/png;base64,", base64(cell.png), "\"/>");
  }
  if (!cell.caption.empty()) html += "<figcaption>" + escaped(cell.caption) + "</figcaption>";
  html += "</figure></td>\n";
}

void add_row(std::string& html, const ComparisonPage& page, size_t row) {
  const ComparisonPageRow& of = page.rows[row];
  if (of.cells.size() != page.columns.size()) {
    fail("row ", row, " of a comparison has ", of.cells.size(), " cells, want ",
         page.columns.size(), ", one a column");
  }
  html += "<tr><th>" + escaped(of.prompt) + "<br/><small>" + escaped(of.detail) + "</small></th>\n";
  for (size_t column = 0; column < page.columns.size(); ++column) add_cell(html, page, row, column);
  html += "</tr>\n";
}

}  // namespace

std::string comparison_page(const ComparisonPage& page) {
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
      "<meta charset=\"utf-8\"/>\n<title>" +
      escaped(page.title) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<h1>" +
      escaped(page.title) + "</h1>\n";
  if (!page.settings.empty()) html += "<p>" + escaped(page.settings) + "</p>\n";
  html +=
      "<p>Click a picture to enlarge it; the arrow keys then flip between columns and rows, Esc "
      "closes.</p>\n<table>\n<thead><tr><th></th>";
  for (const std::string& column : page.columns) html += "<th>" + escaped(column) + "</th>";
  html += "</tr></thead>\n<tbody>\n";
  for (size_t row = 0; row < page.rows.size(); ++row) add_row(html, page, row);
  html += "</tbody>\n</table>\n<div id=\"large\"><img alt=\"\"/><div></div></div>\n<script>";
  html += kScript;
  return html + "</script>\n</body>\n</html>\n";
}

}  // namespace dorabooth
