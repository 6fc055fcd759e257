// PNG through libpng, text chunks included. libpng reports errors by longjmp: every object with a
// destructor lives in the session, outside the functions that call setjmp, and the message is
// thrown from out there.
#include <png.h>

#include <csetjmp>
#include <cstring>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/codecs.h"
#include "src/imagefile/exif.h"
#include "src/imagefile/latin1.h"

namespace dorabooth {

namespace {

constexpr int kCompressionLevel = 6;

// What a read or write shares with libpng's callbacks.
struct Stream {
  std::string_view input;
  size_t position = 0;
  std::string output;
  std::string error;
};

void on_error(png_structp png, png_const_charp message) {
  static_cast<Stream*>(png_get_error_ptr(png))->error = message;
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep target, size_t count) {
  auto* stream = static_cast<Stream*>(png_get_io_ptr(png));
  if (stream->input.size() - stream->position < count) png_error(png, "the file ends too early");
  std::memcpy(target, stream->input.data() + stream->position, count);
  stream->position += count;
}

void on_write(png_structp png, png_bytep bytes, size_t count) {
  auto* stream = static_cast<Stream*>(png_get_io_ptr(png));
  stream->output.append(reinterpret_cast<const char*>(bytes), count);
}

void on_flush(png_structp) {}

class ReadSession {
 public:
  explicit ReadSession(std::string_view bytes) {
    stream_.input = bytes;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &stream_, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      fail("libpng cannot start");
    }
    png_set_read_fn(png_, &stream_, on_read);
    // The pixel limit is ours, with our message.
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  }
  ~ReadSession() { png_destroy_read_struct(&png_, &info_, nullptr); }
  ReadSession(const ReadSession&) = delete;
  ReadSession& operator=(const ReadSession&) = delete;

  void read_header() {
    if (!try_header()) fail(stream_.error);
    check_size();
  }
  int64_t width() const { return png_get_image_width(png_, info_); }
  int64_t height() const { return png_get_image_height(png_, info_); }
  bool has_icc_profile() const { return png_get_valid(png_, info_, PNG_INFO_iCCP) != 0; }
  int orientation() {
    png_uint_32 size = 0;
    png_bytep bytes = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &bytes) == 0) return 1;
    return exif_orientation({reinterpret_cast<const char*>(bytes), size});
  }

  std::vector<uint8_t> read_rgba() {
    const auto row_bytes = static_cast<size_t>(width()) * 4;
    std::vector<uint8_t> rgba(row_bytes * static_cast<size_t>(height()));
    std::vector<png_bytep> rows(static_cast<size_t>(height()));
    for (size_t y = 0; y < rows.size(); ++y) rows[y] = rgba.data() + y * row_bytes;
    if (!try_pixels(rows.data())) fail(stream_.error);
    return rgba;
  }

  PngText read_text() {
    if (!try_skip_pixels()) fail(stream_.error);
    png_textp chunks = nullptr;
    int count = 0;
    png_get_text(png_, info_, &chunks, &count);
    PngText text;
    for (int i = 0; i < count; ++i) {
      const png_text& chunk = chunks[i];
      const bool is_utf8 = chunk.compression >= PNG_ITXT_COMPRESSION_NONE;
      const std::string value(chunk.text, is_utf8 ? chunk.itxt_length : chunk.text_length);
      text[utf8_from_latin1(chunk.key)] = is_utf8 ? value : utf8_from_latin1(value);
    }
    return text;
  }

 private:
  void check_size() { codecs::check_size(width(), height()); }

  bool try_header() {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_read_info(png_, info_);
    return true;
  }
  // Any colour type and depth becomes 8-bit RGBA.
  bool try_pixels(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_scale_16(png_);
    png_set_expand(png_);
    png_set_gray_to_rgb(png_);
    png_set_add_alpha(png_, 0xff, PNG_FILLER_AFTER);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }
  bool try_skip_pixels() {
    if (setjmp(png_jmpbuf(png_))) return false;
    const int passes = png_set_interlace_handling(png_);
    const png_uint_32 rows = png_get_image_height(png_, info_);
    png_start_read_image(png_);
    for (int pass = 0; pass < passes; ++pass) {
      for (png_uint_32 y = 0; y < rows; ++y) png_read_row(png_, nullptr, nullptr);
    }
    png_read_end(png_, info_);
    return true;
  }

  Stream stream_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

// Keyword and value of one chunk in the encoding that the chunk stores.
struct TextChunk {
  std::string keyword;
  std::string value;
  bool is_utf8 = false;
};

TextChunk text_chunk(const std::string& keyword, const std::string& value) {
  TextChunk chunk;
  if (!latin1_from_utf8(keyword, chunk.keyword) || chunk.keyword.empty() ||
      chunk.keyword.size() > 79 || chunk.keyword.find('\0') != std::string::npos) {
    fail("PNG text keyword '", keyword, "': want 1 to 79 Latin-1 characters");
  }
  if (value.find('\0') != std::string::npos) {
    fail("PNG text '", keyword, "': a value cannot hold a zero byte");
  }
  if (!is_utf8(value)) fail("PNG text '", keyword, "': the value is not UTF-8");
  chunk.is_utf8 = !latin1_from_utf8(value, chunk.value);
  if (chunk.is_utf8) chunk.value = value;
  return chunk;
}

class WriteSession {
 public:
  WriteSession() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &stream_, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_write_struct(&png_, nullptr);
      fail("libpng cannot start");
    }
    png_set_write_fn(png_, &stream_, on_write, on_flush);
  }
  ~WriteSession() { png_destroy_write_struct(&png_, &info_); }
  WriteSession(const WriteSession&) = delete;
  WriteSession& operator=(const WriteSession&) = delete;

  std::string write(const Image& image, std::vector<TextChunk>& chunks) {
    std::vector<png_text> texts(chunks.size());
    char no_language[] = "";
    for (size_t i = 0; i < chunks.size(); ++i) {
      texts[i].compression =
          chunks[i].is_utf8 ? PNG_ITXT_COMPRESSION_NONE : PNG_TEXT_COMPRESSION_NONE;
      texts[i].key = chunks[i].keyword.data();
      texts[i].text = chunks[i].value.data();
      texts[i].text_length = chunks[i].is_utf8 ? 0 : chunks[i].value.size();
      texts[i].itxt_length = chunks[i].is_utf8 ? chunks[i].value.size() : 0;
      texts[i].lang = no_language;
      texts[i].lang_key = no_language;
    }
    if (!try_write(image, texts)) fail("cannot encode a PNG: ", stream_.error);
    return std::move(stream_.output);
  }

 private:
  bool try_write(const Image& image, const std::vector<png_text>& texts) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_compression_level(png_, kCompressionLevel);
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(image.width),
                 static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_text(png_, info_, texts.data(), static_cast<int>(texts.size()));
    png_write_info(png_, info_);
    for (int y = 0; y < image.height; ++y) png_write_row(png_, image.pixel(0, y));
    png_write_end(png_, nullptr);
    return true;
  }

  Stream stream_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

namespace codecs {

Header png_header(std::string_view bytes) {
  ReadSession session(bytes);
  session.read_header();
  return {session.width(), session.height(), session.orientation()};
}

Pixels decode_png(std::string_view bytes) {
  ReadSession session(bytes);
  session.read_header();
  Pixels pixels;
  pixels.width = static_cast<int>(session.width());
  pixels.height = static_cast<int>(session.height());
  pixels.orientation = session.orientation();
  pixels.has_icc_profile = session.has_icc_profile();
  pixels.rgba_hwc = session.read_rgba();
  return pixels;
}

}  // namespace codecs

std::string encode_png(const Image& image, const PngText& text) {
  if (image.empty()) {
    fail("cannot encode a PNG of ", image.width, "x", image.height, " pixels: it has none");
  }
  std::vector<TextChunk> chunks;
  for (const auto& [keyword, value] : text) chunks.push_back(text_chunk(keyword, value));
  return WriteSession().write(image, chunks);
}

void write_png(const std::filesystem::path& path, const Image& image, const PngText& text) {
  write_file_atomically(path, encode_png(image, text));
}

PngText read_png_text(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  try {
    ReadSession session(bytes);
    session.read_header();
    return session.read_text();
  } catch (const Error& error) {
    fail("cannot read the text of ", path.string(), " as a PNG: ", error.what());
  }
}

}  // namespace dorabooth
