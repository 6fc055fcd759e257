// What a picture says about itself.
#include "pipelines/parts/picture_text.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "pipelines/parts/base_loading.h"
#include "pipelines/version.h"
#include "src/base/error.h"
#include "src/base/hash.h"

namespace dorabooth {

using nlohmann::json;

namespace {

constexpr const char* kChunk = "dorabooth";
// Where it was drawn is not part of what was drawn.
struct SamplerName {
  const char* name;        // of --scheduler
  const char* class_name;  // diffusers'
  const char* text;        // A1111's
};

constexpr SamplerName kSamplers[] = {
    {"ddim", "DDIMScheduler", "DDIM"},
    {"ddpm", "DDPMScheduler", "DDPM"},
    {"euler", "EulerDiscreteScheduler", "Euler"},
    {"euler_a", "EulerAncestralDiscreteScheduler", "Euler a"},
    {"heun", "HeunDiscreteScheduler", "Heun"},
    {"dpmpp_2m_sde", "", "DPM++ 2M SDE"},
    {"dpmpp_2m", "DPMSolverMultistepScheduler", "DPM++ 2M"},
    {"dpmpp_sde", "DPMSolverSinglestepScheduler", "DPM++ SDE"},
    {"unipc", "UniPCMultistepScheduler", "UniPC"},
    {"pndm", "PNDMScheduler", "PLMS"},
    {"lms", "LMSDiscreteScheduler", "LMS"},
    {"lcm", "LCMScheduler", "LCM"},
};

std::string sampler_text(const std::string& name, const std::string& class_name) {
  for (const SamplerName& sampler : kSamplers) {
    if (name == sampler.name || (name.empty() && class_name == sampler.class_name)) {
      return sampler.text;
    }
  }
  return class_name;
}

// A1111 puts JSON quotes around a value that would end early.
std::string in_quotes_if_needed(const std::string& value) {
  return value.find_first_of(",:\n") == std::string::npos ? value : json(value).dump();
}

std::string model_name(const std::string& path) {
  std::filesystem::path last = std::filesystem::absolute(path).lexically_normal();
  if (!last.has_filename()) last = last.parent_path();
  return last.extension() == ".safetensors" ? last.stem().string() : last.filename().string();
}

// Throws unless every file that the picture was drawn with is there and the same.
void require_same_files(const std::string& picture, const json& files, const std::string& flag) {
  for (const json& entry : files) {
    const std::string file = entry.value("file", "");
    if (!std::filesystem::exists(file)) {
      fail(picture, ": was drawn with ", file, ", which is not there; --", flag, " names another");
    }
    if (sha256_of_file(file) != entry.value("sha256", "")) {
      fail(picture, ": was drawn with another ", file, "; give --", flag,
           " to draw it with the present one");
    }
  }
}

}  // namespace

SampleRequest request_of_one(const SampleRequest& request, const std::string& prompt, int64_t seed,
                             int64_t index, const GenerationPlan& plan, const SdxlBundle& bundle) {
  SampleRequest one = request;
  one.prompt = {prompt};
  one.seed = {seed};
  one.image_index.reset();
  if (one.num_images_per_prompt > 1) one.image_index = index;
  one.height = plan.height;
  one.width = plan.width;
  one.dtype = name_of_dtype(bundle.dtype);
  return one;
}

std::string parameters_text(const SampleRequest& one, const std::string& scheduler_class,
                            const std::string& model) {
  std::string text = one.prompt.at(0) + "\n";
  if (one.negative_prompt) text += "Negative prompt: " + *one.negative_prompt + "\n";
  text += concat("Steps: ", one.num_inference_steps,
                 ", Sampler: ", sampler_text(one.scheduler.value_or(""), scheduler_class));
  if (one.use_karras_sigmas.value_or(false)) text += ", Schedule type: Karras";
  text += concat(", CFG scale: ", one.guidance_scale, ", Seed: ", one.seed.at(0),
                 ", Size: ", one.width.value_or(0), "x", one.height.value_or(0),
                 ", Model: ", in_quotes_if_needed(model));
  std::string adapters;
  for (const std::string& adapter : one.adapter_path) {
    const AdapterArgument argument = parse_adapter_argument(adapter);
    adapters += concat(adapters.empty() ? "" : ", ", argument.name, ": ", argument.strength);
  }
  if (!adapters.empty()) text += ", Adapters: " + in_quotes_if_needed(adapters);
  std::string embeddings;
  for (const std::string& embedding : one.embedding) {
    const EmbeddingArgument argument = parse_embedding_argument(embedding);
    const std::string stem = std::filesystem::path(argument.path).stem().string();
    embeddings += (embeddings.empty() ? "" : ", ") + argument.token.value_or(stem);
  }
  if (!embeddings.empty()) text += ", Embeddings: " + in_quotes_if_needed(embeddings);
  return text + concat(", Version: dorabooth ", program_version());
}

PngText picture_text(const SampleRequest& one, const GenerationPlan& plan, const SdxlBundle& bundle,
                     const AdapterStack& adapters, const EmbeddingStack& embeddings) {
  const std::string model = model_name(bundle.path.string());
  json request = sample_fields().to_json(&one);
  for (const std::string& key : fields_outside_pictures()) request.erase(key);
  json files = json::array();
  for (const LoadedAdapter& adapter : adapters.adapters()) {
    files.push_back({{"file", adapter.file}, {"sha256", adapter.sha256}});
  }
  json all = {{"what", "sample"}, {"version", program_version()},      {"request", request},
              {"model", model},   {"sampler", plan.scheduler_class()}, {"adapters", files}};
  for (const LoadedEmbedding& one_file : embeddings.embeddings()) {
    all["embeddings"].push_back({{"file", one_file.argument.path}, {"sha256", one_file.sha256}});
  }
  return {{"parameters", parameters_text(one, plan.scheduler_class(), model)},
          {kChunk, all.dump()}};
}

json picture_json(const std::string& picture) {
  const PngText text = read_png_text(picture);
  const auto found = text.find(kChunk);
  if (found == text.end()) {
    fail(picture, ": was not drawn by this program (it has no text chunk '", kChunk, "')");
  }
  const json all = json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  const bool complete = all.is_object() && all.contains("what") && all.contains("request");
  if (!complete) fail(picture, ": its text chunk '", kChunk, "' is damaged");
  if (all.at("what") != "sample") {
    fail(picture, ": is not a single picture; the pictures of a sheet lie in a folder beside it");
  }
  if (!all.contains("adapters") || !all.at("adapters").is_array()) {
    fail(picture, ": its text chunk '", kChunk, "' is damaged: it does not say which adapters");
  }
  return all;
}

SampleRequest request_of_picture(const std::string& picture) {
  SampleRequest request;
  sample_fields().from_json(&request, picture_json(picture).at("request"), picture);
  if (request.prompt.size() != 1 || request.seed.size() != 1) {
    fail(picture, ": its text chunk '", kChunk, "' is damaged: want one prompt and one seed");
  }
  return request;
}

SampleRequest with_picture(const SampleRequest& request, const std::vector<std::string>& given) {
  if (!request.from) return request;
  const std::string& picture = *request.from;
  SampleRequest result = request_of_picture(picture);
  const FieldList<SampleRequest>& fields = sample_fields();
  const auto is_given = [&](const std::string& name) {
    return std::ranges::find(given, name) != given.end() ||
           std::ranges::count(fields_outside_pictures(), name) > 0;
  };
  for (const Field& field : fields.fields()) {
    if (!is_given(field.name)) continue;
    fields.set(&result, field, fields.get(&request, field), "--" + field.name);
  }
  result.from.reset();
  const json text = picture_json(picture);
  if (!is_given("adapter_path")) require_same_files(picture, text.at("adapters"), "adapter_path");
  if (!is_given("embedding")) {
    require_same_files(picture, text.value("embeddings", json::array()), "embedding");
  }
  return result;
}

}  // namespace dorabooth
