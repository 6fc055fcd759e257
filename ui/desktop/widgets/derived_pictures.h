// Pictures that are computed for showing: kept as long as a view asks for them.
#pragma once

#include <map>
#include <memory>
#include <tuple>

#include "src/base/image.h"

namespace dorabooth {

class DerivedPictures {
 public:
  using Picture = std::shared_ptr<const Image>;

  // |a - b| × gain; an empty picture if the sizes differ.
  Picture difference(const Picture& a, const Picture& b, double gain);
  // Halved `levels` times: linear sampling of a picture that is far smaller on the screen would
  // skip pixels.
  Picture reduced(const Picture& picture, int levels);

  int computed = 0;

 private:
  using Key = std::tuple<const Image*, const Image*, double>;
  struct Kept {
    Picture a;  // so that no other picture gets its address
    Picture b;
    Picture result;
    int frame = 0;
  };

  template <typename Compute>
  Picture get(const Picture& a, const Picture& b, double parameter, Compute compute);

  std::map<Key, Kept> kept_;
};

}  // namespace dorabooth
