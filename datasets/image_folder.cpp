// Finds pictures and captions; every doubt about which caption is meant is an error.
#include "datasets/image_folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>

#include "datasets/caption_table.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "src/imagefile/latin1.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPlaceholder = "{caption}";

void check_folder(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status)) fail("no such folder: ", folder.string());
  if (!fs::is_directory(status)) fail(folder.string(), " is a file; want a folder of pictures");
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

// Extensions of pictures that people have and that are not read.
bool is_foreign_picture(const fs::path& path) {
  constexpr std::array<std::string_view, 12> kExtensions{".gif", ".avif", ".heic", ".heif",
                                                         ".jxl", ".jfif", ".psd",  ".svg",
                                                         ".tga", ".dng",  ".cr2",  ".nef"};
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::vector<std::string> notes_on(const fs::path& folder) {
  std::vector<std::string> folders;
  std::vector<std::string> foreign;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (is_hidden(entry.path())) continue;
    const std::string name = entry.path().filename().string();
    if (entry.is_directory()) {
      folders.push_back(name);
    } else if (is_foreign_picture(entry.path())) {
      foreign.push_back(name);
    }
  }
  const auto sentence = [&](std::vector<std::string>& names, const char* text) {
    std::sort(names.begin(), names.end());
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    return concat(folder.string(), ": ", text, ": ", list);
  };
  std::vector<std::string> notes;
  if (!folders.empty())
    notes.push_back(sentence(folders, "sub-folders are not searched for pictures"));
  if (!foreign.empty()) notes.push_back(sentence(foreign, "these kinds of picture are not read"));
  return notes;
}

// The first line, which must say something, and those of the others that do.
std::vector<std::string> caption_lines(const fs::path& path) {
  std::string text = read_file(path);
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  if (!is_utf8(text)) fail("caption file ", path.string(), " is not UTF-8");
  std::vector<std::string> lines;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin != std::string::npos) {
      lines.push_back(line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1));
    } else if (at == 0) {
      fail("caption file ", path.string(), " has an empty first line");
    }
    at = end + 1;
  }
  return lines;
}

// OneTrainer's names for what belongs to a picture.
bool is_label_of(const fs::path& path, const std::set<std::string>& stems) {
  const std::string stem = path.stem().string();
  for (const std::string_view ending : {"-masklabel", "-condlabel"}) {
    if (stem.size() > ending.size() && stem.ends_with(ending) &&
        stems.contains(stem.substr(0, stem.size() - ending.size())))
      return true;
  }
  return false;
}

// "3 pictures: its ICC profile is not applied (a.png, b.png, c.png)"
std::vector<std::string> note_sentences(
    const std::map<std::string, std::vector<std::string>>& by_note) {
  constexpr size_t kNamed = 3;
  std::vector<std::string> sentences;
  for (const auto& [note, names] : by_note) {
    std::string list;
    for (size_t i = 0; i < std::min(names.size(), kNamed); ++i) {
      list += (i == 0 ? "" : ", ") + names[i];
    }
    if (names.size() > kNamed) list += ", …";
    sentences.push_back(concat(names.size(), names.size() == 1 ? " picture: " : " pictures: ", note,
                               " (", list, ")"));
  }
  return sentences;
}

// A row's file must exist, and the folders on its way may not lead out.
fs::path listed_file(const fs::path& folder, const CaptionRow& row, const fs::path& table) {
  const fs::path path = folder / row.file_name;
  if (!fs::exists(path))
    fail(table.string(), " names ", row.file_name, ", but there is no such file");
  const fs::path inside =
      fs::canonical(path.parent_path()).lexically_relative(fs::canonical(folder));
  if (inside.empty() || *inside.begin() == "..") {
    fail(table.string(), ": ", row.file_name, " leaves the folder through a link");
  }
  if (fs::is_directory(path))
    fail(table.string(), ": ", row.file_name, " is a folder; want a picture");
  return path;
}

std::string filled_template(std::string prompt, const std::string& caption) {
  for (size_t at = prompt.find(kPlaceholder); at != std::string::npos;
       at = prompt.find(kPlaceholder, at + caption.size())) {
    prompt.replace(at, kPlaceholder.size(), caption);
  }
  return prompt;
}

}  // namespace

std::vector<fs::path> caption_files_of(const fs::path& picture) {
  std::vector<fs::path> files;
  for (const char* extension : {".txt", ".caption"}) {
    const fs::path sidecar = fs::path(picture).replace_extension(extension);
    if (fs::exists(sidecar)) files.push_back(sidecar);
  }
  return files;
}

OwnCaption own_caption(const ListedPicture& picture) {
  if (picture.table_caption) return {CaptionSource::kTable, *picture.table_caption};
  OwnCaption own;
  for (const fs::path& sidecar : caption_files_of(picture.path)) {
    std::vector<std::string> lines = caption_lines(sidecar);
    const std::string line = lines.front();
    lines.erase(lines.begin());
    const bool differs = own.text != line || own.alternatives != lines;
    if (own.source == CaptionSource::kSidecar && differs) {
      fail(picture.path.string(),
           " has two caption files that differ, .txt and .caption; want one");
    }
    own = {CaptionSource::kSidecar, line, std::move(lines)};
  }
  return own;
}

std::string training_caption(const ListedPicture& picture, const OwnCaption& own,
                             const ImageFolderRequest& request) {
  const std::optional<std::string>& prompt = request.instance_prompt;
  const bool is_template = prompt && prompt->find(kPlaceholder) != std::string::npos;
  if (own.source != CaptionSource::kNone)
    return is_template ? filled_template(*prompt, own.text) : own.text;
  if (request.folder_caption && (is_template || !prompt)) {
    return is_template ? filled_template(*prompt, *request.folder_caption)
                       : *request.folder_caption;
  }
  const std::string name = picture.path.string();
  if (is_template) {
    fail(name, " has no caption for the {caption} of the instance prompt '", *prompt, "'");
  }
  if (!prompt) {
    fail(name,
         " has no caption: want a line in metadata.jsonl, a .txt file beside it, or "
         "--instance_prompt");
  }
  return *prompt;
}

ImageListing list_image_folder(const ImageFolderRequest& request) {
  check_folder(request.folder);
  const std::optional<CaptionTable> table =
      read_caption_table(request.folder, request.caption_column);
  if (request.caption_column && !table) {
    fail("--caption_column ", *request.caption_column,
         " needs a metadata.jsonl or metadata.csv in ", request.folder.string());
  }
  std::map<std::string, std::optional<std::string>> table_captions;  // by relative name
  for (const fs::path& path : list_pictures(request.folder)) {
    table_captions[path.filename().string()] = std::nullopt;
  }
  if (table) {
    for (const CaptionRow& row : table->rows) {
      listed_file(request.folder, row, table->path);
      table_captions[row.file_name] = row.caption;
    }
  }
  ImageListing result;
  result.notes = notes_on(request.folder);
  if (table_captions.empty()) {
    std::string notes;
    for (const std::string& note : result.notes) notes += "; " + note;
    fail("no picture in ", request.folder.string(), " (png, jpg, jpeg, webp, bmp, tif, tiff)",
         notes);
  }
  for (const auto& [name, caption] : table_captions)
    result.pictures.push_back({request.folder / name, name, caption});
  return result;
}

std::vector<std::string> training_alternatives(const OwnCaption& own,
                                               const ImageFolderRequest& request) {
  const std::optional<std::string>& prompt = request.instance_prompt;
  const bool is_template = prompt && prompt->find(kPlaceholder) != std::string::npos;
  std::vector<std::string> captions = own.alternatives;
  if (!is_template) return captions;
  for (std::string& caption : captions) caption = filled_template(*prompt, caption);
  return captions;
}

ImageFolder read_image_folder(const ImageFolderRequest& request) {
  ImageListing listing = list_image_folder(request);
  ImageFolder result;
  result.notes = std::move(listing.notes);
  for (const ListedPicture& picture : listing.pictures) {
    const OwnCaption own = own_caption(picture);
    result.pictures.push_back({picture.path, training_caption(picture, own, request),
                               read_crop_rectangle(picture.path),
                               training_alternatives(own, request)});
  }
  return result;
}

std::vector<fs::path> list_pictures(const fs::path& folder) {
  check_folder(folder);
  std::vector<fs::path> pictures;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const bool wanted =
        is_picture_name(entry.path()) && !is_hidden(entry.path()) && !entry.is_directory();
    if (wanted) pictures.push_back(entry.path());
  }
  std::set<std::string> stems;
  for (const fs::path& path : pictures) stems.insert(path.stem().string());
  std::erase_if(pictures, [&](const fs::path& path) { return is_label_of(path, stems); });
  std::sort(pictures.begin(), pictures.end(), [](const fs::path& a, const fs::path& b) {
    return a.filename().string() < b.filename().string();
  });
  return pictures;
}

std::vector<std::string> verify_pictures(const std::vector<CaptionedPicture>& pictures,
                                         std::stop_token stop) {
  std::string reasons;
  size_t broken = 0;
  std::map<std::string, std::vector<std::string>> by_note;
  for (const CaptionedPicture& picture : pictures) {
    if (stop.stop_requested()) return {};
    try {
      const DecodedPicture decoded = read_picture(picture.path);
      if (picture.crop) {
        check_crop_rectangle(*picture.crop, {decoded.image.width, decoded.image.height},
                             crop_file_of(picture.path).string());
      }
      if (!decoded.note.empty()) by_note[decoded.note].push_back(picture.path.filename().string());
    } catch (const Error& error) {
      reasons += (broken == 0 ? "" : "; ") + std::string(error.what());
      ++broken;
    }
  }
  if (broken > 0) fail(broken, " of ", pictures.size(), " pictures cannot be used: ", reasons);
  return note_sentences(by_note);
}

}  // namespace dorabooth
