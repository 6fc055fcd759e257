// Whether a picture carries a mark: normalised cross-correlation with the mark's template, near the
// place where the mark belongs.
#pragma once

#include <memory>

#include "src/base/image.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

struct MarkMatch {
  double score = 0.0;  // correlation coefficient, -1 to 1; 0 where the picture is of one colour
  double scale = 1.0;  // of the mark against its size in the template
  int left = 0;        // how far from its place, in pixels of the picture
  int top = 0;
};

class MarkTemplate {
 public:
  // `decoded` is a picture with the mark on transparent ground, as large as the pictures that the
  // mark was drawn on, so that the mark's place is known. Only opaque pixels are compared. `name`
  // stands in messages: a picture without transparent or without opaque pixels, or of one colour
  // where it is opaque, is refused.
  MarkTemplate(const DecodedPicture& decoded, const std::string& name);
  ~MarkTemplate();
  MarkTemplate(const MarkTemplate&) = delete;
  MarkTemplate& operator=(const MarkTemplate&) = delete;

  // The best place within 5 % of the picture's side from where the mark belongs, at 0.90 to 1.10
  // times its size; the template is first brought to the picture's size. The coefficient is that of
  // all pixels' colours less the mean of their channel. Pictures have the template's proportions
  // (within 2 %); `name` stands in the message.
  MarkMatch best_match(const Image& picture, const std::string& name) const;

 private:
  struct Pixels;
  std::unique_ptr<Pixels> pixels_;
};

}  // namespace dorabooth
