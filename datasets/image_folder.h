// A folder of pictures with their captions: Hugging Face's imagefolder, kohya's sidecar files, or
// one instance prompt for all; crops that a person drew (crop_rectangle.h). Sub-folders are read
// only where a metadata table names files in them.
#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "datasets/crop_rectangle.h"

namespace dorabooth {

struct CaptionedPicture {
  std::filesystem::path path;
  std::string caption;
  std::optional<CropRectangle> crop = std::nullopt;  // drawn by a person
  // Further captions, as good as the first: training draws one each time.
  std::vector<std::string> alternatives = {};
  int64_t repeats = 1;                                       // how often it occurs in an epoch
  double loss_weight = 1.0;                                  // of its error in the loss
  std::optional<std::filesystem::path> mask = std::nullopt;  // see loss_mask.h
  std::optional<std::string> class_prompt = std::nullopt;    // of its concept
};

struct ImageFolderRequest {
  std::filesystem::path folder;
  std::optional<std::string> caption_column;   // of the metadata table
  std::optional<std::string> instance_prompt;  // with "{caption}" in it: a template
  // Of pictures without one of their own: what the folder's name says (concept.h).
  std::optional<std::string> folder_caption = std::nullopt;
};

enum class CaptionSource { kNone, kPrompt, kTable, kSidecar };

// A picture's own caption: where it is, and which.
struct OwnCaption {
  CaptionSource source = CaptionSource::kNone;
  std::string text;
  std::vector<std::string> alternatives = {};  // the further lines of a caption file
};

struct ListedPicture {
  std::filesystem::path path;
  std::string name;                          // relative to the folder, forward slashes
  std::optional<std::string> table_caption;  // of the metadata table
};

struct ImageListing {
  std::vector<ListedPicture> pictures;  // in the order of their names, byte by byte
  std::vector<std::string> notes;       // what was left unread, a sentence each
};

struct ImageFolder {
  std::vector<CaptionedPicture> pictures;  // in the order of their names, byte by byte
  std::vector<std::string> notes;          // what was left unread, a sentence each
};

// A picture's own caption is that of the metadata table, else the first line of <stem>.txt or
// <stem>.caption, whose further lines are alternatives. The caption it is trained with:
//   an instance prompt with "{caption}"   the prompt with the own caption in its place
//   otherwise                             the own caption, else the instance prompt
// where a folder's caption, if there is one, counts as the own caption of pictures that have none.
// A picture that ends up with none is an error, and so are: no such folder, no picture in it, a
// table that names a missing file, an empty sidecar, a file outside the folder. A listed file may
// be a link to elsewhere (Hugging Face's cache is made of such links); a folder that it goes
// through may not.
ImageFolder read_image_folder(const ImageFolderRequest& request);

// The same in two halves, for a reader that goes on after a picture with a fault: what is wrong
// with the folder is thrown by the first, what is wrong with one picture by the others.
ImageListing list_image_folder(const ImageFolderRequest& request);
OwnCaption own_caption(const ListedPicture& picture);
std::string training_caption(const ListedPicture& picture, const OwnCaption& own,
                             const ImageFolderRequest& request);
// The same of every alternative.
std::vector<std::string> training_alternatives(const OwnCaption& own,
                                               const ImageFolderRequest& request);

// The pictures' caption files that exist, .txt before .caption.
std::vector<std::filesystem::path> caption_files_of(const std::filesystem::path& picture);

// The pictures of one folder by their names, sorted; empty if there are none. Hidden files are left
// out, and so are the masks and conditions that OneTrainer keeps beside a picture
// (dog-masklabel.png, dog-condlabel.png beside dog.png).
std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& folder);

// Decodes every picture and throws once, naming all that cannot be read or whose drawn crop is not
// inside. Returns early when asked to stop. What was left out of some pictures (an ICC profile)
// comes back as a sentence each.
std::vector<std::string> verify_pictures(const std::vector<CaptionedPicture>& pictures,
                                         std::stop_token stop = {});

}  // namespace dorabooth
