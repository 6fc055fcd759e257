// The generated pictures' histograms are kept, the real ones pass by.
#include "pipelines/rank_pictures.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "datasets/image_folder.h"
#include "datasets/picture_histogram.h"
#include "pipelines/parts/step_meter.h"
#include "pipelines/sample.h"
#include "src/base/error.h"
#include "src/base/trimmed.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

namespace {

struct RealPicture {
  std::string path;
  std::string caption;
};

struct GeneratedPicture {
  RankedPicture ranked;
  PictureHistogram histogram;
  std::vector<double> distances;  // to the real pictures
};

void check(const RankRequest& request) {
  if (request.generated_dir.empty()) throw UsageError("--generated_dir is missing");
  if (request.instance_data_dir.empty()) throw UsageError("--instance_data_dir is missing");
}

std::vector<RealPicture> read_real_pictures(const RankRequest& request) {
  ImageFolderRequest folder;
  folder.folder = request.instance_data_dir;
  folder.caption_column = request.caption_column;
  std::vector<RealPicture> pictures;
  for (const ListedPicture& listed : list_image_folder(folder).pictures) {
    const OwnCaption own = own_caption(listed);
    if (own.source == CaptionSource::kNone) {
      fail(listed.path.string(),
           " has no caption: want a line in metadata.jsonl or a .txt file beside it");
    }
    pictures.push_back({listed.path.string(), own.text});
  }
  return pictures;
}

using Captions = std::map<std::string, std::vector<size_t>>;  // to numbers of real pictures

Captions captions_of(const std::vector<RealPicture>& pictures) {
  Captions captions;
  for (size_t i = 0; i < pictures.size(); ++i) captions[pictures[i].caption].push_back(i);
  return captions;
}

// The longest caption that `text` ends with, from the start of a word; "" if there is none.
std::string caption_at_end(const std::string& text, const Captions& captions) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (at > 0 && text[at - 1] != ' ') continue;
    const std::string end = text.substr(at);
    if (captions.contains(end)) return end;
  }
  return "";
}

// "" for a picture that is left out.
std::string concept_of(const std::string& path, const std::string& prompt,
                       const RankRequest& request, const Captions& captions) {
  const std::string text = trimmed(prompt);
  if (!request.caption_prefix) {
    const std::string caption = caption_at_end(text, captions);
    if (caption.empty()) {
      fail(path, ": its prompt '", prompt, "' ends with the caption of no picture in ",
           request.instance_data_dir);
    }
    return caption;
  }
  const std::string prefix = trimmed(*request.caption_prefix);
  if (!text.starts_with(prefix)) return "";
  const std::string caption = trimmed(text.substr(prefix.size()));
  if (!captions.contains(caption)) {
    std::vector<std::string> names;
    for (const auto& [name, numbers] : captions) names.push_back(name);
    fail(path, ": no picture in ", request.instance_data_dir, " has the caption '", caption, "'",
         did_you_mean(caption, names));
  }
  return caption;
}

std::string prompt_of(const ListedPicture& picture) {
  const OwnCaption own = own_caption(picture);
  if (own.source != CaptionSource::kNone) return own.text;
  return request_of_picture(picture.path.string()).prompt.at(0);
}

// Without histograms and distances.
std::vector<GeneratedPicture> list_generated_pictures(const RankRequest& request,
                                                      const Captions& captions,
                                                      RankReport& report) {
  ImageFolderRequest folder;
  folder.folder = request.generated_dir;
  std::vector<GeneratedPicture> pictures;
  for (const ListedPicture& listed : list_image_folder(folder).pictures) {
    RankedPicture ranked;
    ranked.path = listed.path.string();
    ranked.prompt = prompt_of(listed);
    ranked.caption = concept_of(ranked.path, ranked.prompt, request, captions);
    if (ranked.caption.empty()) {
      ++report.left_out;
    } else {
      pictures.push_back({std::move(ranked), {}, {}});
    }
  }
  if (pictures.empty()) {
    fail("no picture in ", request.generated_dir, " has a prompt that begins with '",
         request.caption_prefix.value_or(""), "'");
  }
  return pictures;
}

void take_rank(GeneratedPicture& picture, const std::vector<RealPicture>& real,
               const Captions& captions) {
  const std::vector<double>& distances = picture.distances;
  double right = INFINITY;
  for (const size_t number : captions.at(picture.ranked.caption))
    right = std::min(right, distances[number]);
  picture.ranked.rank = 1;
  for (size_t i = 0; i < real.size(); ++i) {
    const bool before = distances[i] <= right && real[i].caption != picture.ranked.caption;
    picture.ranked.rank += before ? 1 : 0;
  }
  const auto nearest = std::min_element(distances.begin(), distances.end());
  picture.ranked.nearest = real[static_cast<size_t>(nearest - distances.begin())].caption;
}

void sum_up(std::vector<GeneratedPicture>& pictures, double nearest_percent, RankReport& report) {
  const auto real = static_cast<double>(report.real_pictures);
  report.rank_limit =
      std::max<int64_t>(1, static_cast<int64_t>(std::floor(nearest_percent * real / 100.0)));
  std::vector<int64_t> ranks;
  for (GeneratedPicture& picture : pictures) {
    ranks.push_back(picture.ranked.rank);
    report.within += picture.ranked.rank <= report.rank_limit ? 1 : 0;
    report.pictures.push_back(std::move(picture.ranked));
  }
  std::sort(ranks.begin(), ranks.end());
  report.median_rank = ranks[ranks.size() / 2];
}

}  // namespace

RankReport rank_pictures(const RankRequest& request, Progress& progress, std::stop_token stop) {
  check(request);
  const std::vector<RealPicture> real = read_real_pictures(request);
  const Captions captions = captions_of(real);
  RankReport report;
  report.real_pictures = static_cast<int64_t>(real.size());
  std::vector<GeneratedPicture> pictures = list_generated_pictures(request, captions, report);
  StepMeter meter(progress, "rank", static_cast<int64_t>(pictures.size() + real.size()));
  const auto stopped = [&] { return report.stopped = stop.stop_requested(); };
  for (GeneratedPicture& picture : pictures) {
    if (stopped()) return report;
    picture.histogram = picture_histogram(read_picture(picture.ranked.path).image);
    meter.step();
  }
  for (const RealPicture& other : real) {
    if (stopped()) return report;
    const PictureHistogram histogram = picture_histogram(read_picture(other.path).image);
    for (GeneratedPicture& picture : pictures)
      picture.distances.push_back(histogram_distance(picture.histogram, histogram));
    meter.step();
  }
  for (GeneratedPicture& picture : pictures) take_rank(picture, real, captions);
  sum_up(pictures, request.nearest_percent, report);
  return report;
}

}  // namespace dorabooth
