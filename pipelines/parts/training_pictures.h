// The pictures of a run, from its settings: concepts, what each picture becomes, batches' sizes.
// Internal to pipelines.
#pragma once

#include <string>
#include <vector>

#include "datasets/concept.h"
#include "datasets/example_set.h"
#include "pipelines/data_options.h"
#include "pipelines/forecast.h"

namespace dorabooth {

// Settings that contradict each other or that nothing would use. Throws UsageError.
void check_data_options(const DataOptions& options);

// Those of the list, or the one of the flags; folders with kohya's sub-folders expanded.
std::vector<Concept> concepts_of(const DataOptions& options, std::vector<std::string>* notes);

// All concepts' pictures in their order, at most max_train_samples.
ImageFolder instance_pictures(const DataOptions& options);

// Of the concepts with class pictures, as far as they are there; of a folder that concepts share,
// once.
ImageFolder class_pictures(const DataOptions& options);

// `stream` is "instance", "class" or "held-out", whose crops are central and not mirrored.
ExampleRequest example_request(const DataOptions& options, uint64_t seed, const std::string& stream,
                               std::vector<CaptionedPicture> pictures);

// A sentence on the pictures of which more than a fifth is cut off (not by a crop that a person
// drew); "" if there is none.
std::string heavy_crops(const ExampleRequest& request);

// What the forecast asks of the pictures.
RunSize run_size(const ExampleRequest& request);

// How many batches one pass over the pictures has, from the pictures' headers alone.
int64_t batches_per_epoch(const ExampleRequest& request, int64_t batch_size);

}  // namespace dorabooth
