// The field lists of the requests other than training's.
#include "pipelines/analyze.h"
#include "pipelines/bench.h"
#include "pipelines/compare.h"
#include "pipelines/convert.h"
#include "pipelines/evaluate.h"
#include "pipelines/extract.h"
#include "pipelines/inspect.h"
#include "pipelines/merge.h"
#include "pipelines/rank_pictures.h"
#include "pipelines/reconstruct.h"
#include "pipelines/sample.h"
#include "pipelines/survey.h"

namespace dorabooth {

const FieldList<SampleRequest>& sample_fields() {
  static const FieldList<SampleRequest> list = [] {
    FieldList<SampleRequest> f;
    add_model_fields(f);
    add_dtype_field(f);
    f.group("Pictures");
    f.add("prompt", &SampleRequest::prompt, "What to draw; repeatable.");
    f.add("prompts_file", &SampleRequest::prompts_file, "Prompts, one a line.");
    f.add("seed", &SampleRequest::seed, "One generator and one picture for each, comma-separated.");
    f.add("num_images_per_prompt", &SampleRequest::num_images_per_prompt,
          "Pictures drawn as a batch from one generator.")
        .at_least(1)
        .at_most(256);
    f.add("image_index", &SampleRequest::image_index,
          "Keep only this picture of num_images_per_prompt, counted from 0.")
        .at_least(0);
    f.add("adapter_path", &SampleRequest::adapter_path,
          "FILE[:strength], repeatable; applied in this order.");
    add_reading_fields(f);
    f.add("embedding", &SampleRequest::embedding,
          "FILE[:token=TOK], repeatable: token embeddings (clip_l, clip_g). TOK stands for them in "
          "prompts; without it what the file names (<s0><s1>, and the word of its training), or "
          "else its stem.");
    f.add("from", &SampleRequest::from, "A picture drawn by this program: draws it again.");
    f.add("output_dir", &SampleRequest::output_dir, "Where the pictures are written.");
    f.add("sheet", &SampleRequest::sheet,
          "Also all pictures on one sheet with their prompts (.png).");
    f.add("sheet_columns", &SampleRequest::sheet_columns, "Pictures in a row of the sheet.")
        .at_least(1)
        .at_most(100);
    add_sampling_fields(f);
    return f;
  }();
  return list;
}

const std::vector<std::string>& fields_outside_pictures() {
  static const std::vector<std::string> names = {"device",       "from",  "output_dir",
                                                 "prompts_file", "sheet", "sheet_columns"};
  return names;
}

const FieldList<CompareRequest>& compare_fields() {
  static const FieldList<CompareRequest> list = [] {
    FieldList<CompareRequest> f;
    add_model_fields(f);
    add_dtype_field(f);
    f.group("Sheet");
    f.add("prompt", &CompareRequest::prompt, "A row for each seed; repeatable.");
    f.add("prompts_file", &CompareRequest::prompts_file, "Prompts, one a line.");
    f.add("seed", &CompareRequest::seed, "Seeds, comma-separated.");
    f.add("column", &CompareRequest::column,
          "NAME=FILE[:strength], repeatable; base always stands first. Embeddings that a training "
          "run wrote beside the file come with it.");
    add_reading_fields(f);
    f.add("embedding", &CompareRequest::embedding,
          "[COLUMN=]FILE[:token=TOK], repeatable: token embeddings of one column, or of all.");
    f.add("sweep_strength", &CompareRequest::sweep_strength,
          "Strengths, comma-separated: each column becomes one for each of them.");
    f.add("sweep_checkpoints", &CompareRequest::sweep_checkpoints,
          "Folder of a training run, repeatable: a column for each of its checkpoints.");
    f.add("output", &CompareRequest::output,
          "The contact sheet (.png) or a page with all pictures in it (.html); the single pictures "
          "lie beside it.");
    f.add("reuse", &CompareRequest::reuse,
          "Keep the pictures beside the sheet that were drawn with the same settings by an earlier "
          "run, and draw only the others.");
    f.add("only_column", &CompareRequest::only_column,
          "Draw the pictures of these columns only, by name, and no sheet; repeatable.");
    add_sampling_fields(f);
    return f;
  }();
  return list;
}

const FieldList<EvaluateRequest>& evaluate_fields() {
  static const FieldList<EvaluateRequest> list = [] {
    FieldList<EvaluateRequest> f;
    add_model_fields(f);
    add_dtype_field(f);
    f.group("Evaluation");
    f.add("instance_data_dir", &EvaluateRequest::instance_data_dir,
          "Folder of captioned pictures.");
    f.add("instance_prompt", &EvaluateRequest::instance_prompt,
          "Prompt of pictures without a caption; {caption} in it is replaced.");
    f.add("caption_column", &EvaluateRequest::caption_column, "Caption key of the metadata file.");
    f.add("adapter_path", &EvaluateRequest::adapter_path, "[NAME=]FILE[:strength], repeatable.");
    add_reading_fields(f);
    f.add(
        "embedding", &EvaluateRequest::embedding,
        "[NAME=]FILE[:token=TOK], repeatable: token embeddings of base or one adapter, or of all.");
    f.add("strength_rule", &EvaluateRequest::strength_rule, "What a strength other than 1 means.")
        .one_of({"peft", "lerp"});
    add_clip_skip_field(f, &EvaluateRequest::clip_skip);
    f.add("resolution", &EvaluateRequest::resolution, "Side of the centre crops in pixels.")
        .at_least(32)
        .at_most(4096);
    f.add("num_timesteps", &EvaluateRequest::num_timesteps,
          "Timesteps a picture, spread over the schedule.")
        .at_least(1)
        .at_most(1000);
    f.add("seed", &EvaluateRequest::seed, "Of the noise.").at_least(0);
    f.add("batch_size", &EvaluateRequest::batch_size, "Pictures at a time.")
        .at_least(1)
        .at_most(1024);
    f.add("by_timestep", &EvaluateRequest::by_timestep,
          "Also a table of the loss at every timestep; --json has it always.");
    return f;
  }();
  return list;
}

const FieldList<ReconstructRequest>& reconstruct_fields() {
  static const FieldList<ReconstructRequest> list = [] {
    FieldList<ReconstructRequest> f;
    f.group("Reconstruction");
    f.add("pretrained_vae_model_name_or_path",
          &ReconstructRequest::pretrained_vae_model_name_or_path,
          "A base, or the folder of an autoencoder.");
    f.add("instance_data_dir", &ReconstructRequest::instance_data_dir,
          "Folder of pictures, repeatable: each is measured by itself.");
    f.add("resolution", &ReconstructRequest::resolution, "Side of the centre crops in pixels.")
        .at_least(32)
        .at_most(4096);
    f.add("output_dir", &ReconstructRequest::output_dir,
          "Where the pictures that come back are written, a folder for each. Absent: nowhere.");
    f.add("at_least", &ReconstructRequest::at_least,
          "Exit status 1 if the mean of any folder is under this many dB.")
        .at_least(0);
    return f;
  }();
  return list;
}

const FieldList<RankRequest>& rank_fields() {
  static const FieldList<RankRequest> list = [] {
    FieldList<RankRequest> f;
    f.group("Rank");
    f.add("generated_dir", &RankRequest::generated_dir,
          "Folder of generated pictures. A picture's prompt is its caption, or else what this "
          "program wrote into the PNG.");
    f.add("instance_data_dir", &RankRequest::instance_data_dir,
          "Folder of real pictures, one or more of every concept, captioned with the concept.");
    f.add("caption_column", &RankRequest::caption_column,
          "Caption key of the real pictures' metadata file.");
    f.add("caption_prefix", &RankRequest::caption_prefix,
          "What prompts begin with before the concept; pictures with other prompts are left out. "
          "Absent: the longest caption of a real picture that the prompt ends with.");
    f.add("nearest_percent", &RankRequest::nearest_percent,
          "Share of the real pictures that counts as the nearest.")
        .above(0)
        .at_most(100);
    f.add("at_least", &RankRequest::at_least,
          "Exit status 1 if the right concept is among the nearest for fewer pictures than this.")
        .at_least(0);
    return f;
  }();
  return list;
}

const FieldList<MergeRequest>& merge_fields() {
  static const FieldList<MergeRequest> list = [] {
    FieldList<MergeRequest> f;
    f.group("Merge");
    f.add("pretrained_model_name_or_path", &MergeRequest::pretrained_model_name_or_path,
          "The base: a diffusers folder or a single .safetensors file.");
    f.add("variant", &MergeRequest::variant, "File variant of a diffusers folder, such as fp16.");
    f.add("config_dir", &MergeRequest::config_dir,
          "Folder with the component configs of a single file whose numbers are not SDXL's.");
    f.add("adapter_path", &MergeRequest::adapter_path,
          "FILE[:strength], repeatable; merged in this order. None: the base goes into another "
          "layout or dtype, in its own bit for bit.");
    add_reading_fields(f);
    f.add("strength_rule", &MergeRequest::strength_rule, "What a strength other than 1 means.")
        .one_of({"peft", "lerp"});
    f.add("layout", &MergeRequest::layout, "What is written.")
        .one_of({"diffusers", "single_file", "unet"});
    f.add("dtype", &MergeRequest::dtype, "Type of the written tensors; absent: each tensor's own.")
        .one_of({"fp32", "fp16", "bf16"});
    f.add("output_dir", &MergeRequest::output_dir, "Folder of the diffusers layout.");
    f.add("output", &MergeRequest::output, "File of the single_file and unet layouts.");
    return f;
  }();
  return list;
}

const FieldList<InspectRequest>& inspect_fields() {
  static const FieldList<InspectRequest> list = [] {
    FieldList<InspectRequest> f;
    f.group("Inspect");
    f.add("path", &InspectRequest::path,
          "A .safetensors file, a diffusers folder or a PEFT folder.");
    f.add("pretrained_model_name_or_path", &InspectRequest::pretrained_model_name_or_path,
          "A base to check an adapter against.");
    add_reading_fields(f);
    return f;
  }();
  return list;
}

const FieldList<ConvertRequest>& convert_fields() {
  static const FieldList<ConvertRequest> list = [] {
    FieldList<ConvertRequest> f;
    f.group("Convert");
    f.add("adapter_path", &ConvertRequest::adapter_path,
          "The adapter: a .safetensors file in any spelling, or a PEFT folder.");
    add_reading_fields(f);
    f.add(
         "to", &ConvertRequest::to,
         "Whom to write for. diffusers: its DreamBooth scripts' names. peft: a folder with config "
         "for each component. kohya, kohya-sgm: kohya's names with diffusers' or the original "
         "block names, DoRA's magnitudes as LyCORIS and SD.Next read them. comfyui: kohya's names, "
         "magnitudes such that ComfyUI's and Forge's rule gives what DoRA means, for this base "
         "alone. lora-svd: the nearest plain LoRA of --rank, for readers without DoRA.")
        .one_of({"diffusers", "peft", "kohya", "kohya-sgm", "comfyui", "lora-svd"});
    f.add("pretrained_model_name_or_path", &ConvertRequest::pretrained_model_name_or_path,
          "The base that the adapter is for: a diffusers folder or a single .safetensors file.");
    f.add("variant", &ConvertRequest::variant, "File variant of a diffusers folder, such as fp16.");
    f.add("output", &ConvertRequest::output, "The file to write.");
    f.add("output_dir", &ConvertRequest::output_dir, "The folder to write, of --to peft.");
    f.add("rank", &ConvertRequest::rank, "lora-svd: rank of the LoRA.").at_least(1).at_most(4096);
    f.add(
        "verify", &ConvertRequest::verify,
        "Replay the formulas of all readers on the written file, and tell what each computes; what "
        "is not known of a reader is not shown. Errors are shares of the change of a layer, or, "
        "where it hardly changes, of one rounding of the base's stored type (at least 2.4e-4) of "
        "its weight. Exit status 1 if a reader that it was written for is wrong.");
    return f;
  }();
  return list;
}

const FieldList<AnalyzeRequest>& analyze_fields() {
  static const FieldList<AnalyzeRequest> list = [] {
    FieldList<AnalyzeRequest> f;
    f.group("Analyze");
    f.add("pretrained_model_name_or_path", &AnalyzeRequest::pretrained_model_name_or_path,
          "The weights before training: a diffusers folder or a single .safetensors file.");
    f.add("variant", &AnalyzeRequest::variant, "File variant of diffusers folders, such as fp16.");
    f.add("adapter_path", &AnalyzeRequest::adapter_path,
          "[NAME=]FILE[:strength], repeatable: an adapter in any spelling.");
    add_reading_fields(f);
    f.add("run", &AnalyzeRequest::run,
          "[NAME=]FOLDER, repeatable: the output_dir of a training; all its checkpoints, of each "
          "adapter.");
    f.add("checkpoint", &AnalyzeRequest::checkpoint,
          "[NAME=]PATH[@STEP], repeatable: a whole model, merged or fully trained. Equal names are "
          "one series.");
    f.add("target_modules", &AnalyzeRequest::target_modules,
          "Name endings or globs of the layers; the paper's are query, key and value.");
    f.add("norm_axis", &AnalyzeRequest::norm_axis,
          "Vectors that are compared: output (rows of W, as DoRA's magnitudes are), input "
          "(columns).")
        .one_of({"both", "output", "input"});
    f.add("strength_rule", &AnalyzeRequest::strength_rule,
          "What an adapter's strength other than 1 means.")
        .one_of({"peft", "lerp"});
    f.add("output_csv", &AnalyzeRequest::output_csv,
          "Also a table of all layers and steps (.csv).");
    f.add("output_plot", &AnalyzeRequest::output_plot,
          "Also the paper's figures; ends with .png or .svg, repeatable. changes.png stands for "
          "changes-output.png and changes-input.png (ΔM against ΔD, a panel for each model, "
          "coloured by layer, with the regression line), and changes-layers-output.png and "
          "changes-layers-input.png (bars by layer, the models side by side, at the last step).");
    f.add("plot_projections", &AnalyzeRequest::plot_projections,
          "Plots: query, key and value in rows of their own, or all in one.")
        .one_of({"separate", "together"});
    f.add("plot_axes", &AnalyzeRequest::plot_axes,
          "Plots: each panel has a range of its own, or all the same.")
        .one_of({"own", "shared"});
    return f;
  }();
  return list;
}

const FieldList<ExtractRequest>& extract_fields() {
  static const FieldList<ExtractRequest> list = [] {
    FieldList<ExtractRequest> f;
    f.group("Extract");
    f.add("pretrained_model_name_or_path", &ExtractRequest::pretrained_model_name_or_path,
          "The weights before training: a diffusers folder or a single .safetensors file.");
    f.add("variant", &ExtractRequest::variant, "File variant of diffusers folders, such as fp16.");
    f.add("checkpoint", &ExtractRequest::checkpoint,
          "The trained model: a diffusers folder or a single .safetensors file.");
    f.add("adapter", &ExtractRequest::adapter, "What to make of it.").one_of({"dora", "lora"});
    f.add("rank", &ExtractRequest::rank, "Rank of the adapter.").at_least(1).at_most(4096);
    f.add("dora_norm_axis", &ExtractRequest::dora_norm_axis,
          "One magnitude per output feature (PEFT's convention) or per input feature.")
        .one_of({"output", "input"});
    f.add("target_modules", &ExtractRequest::target_modules,
          "Name endings or globs of the layers; absent: the UNet's attention projections.");
    f.add("least_change", &ExtractRequest::least_change,
          "Layers that changed less, as a share of their norm, are left out.")
        .at_least(0.0);
    f.add("output", &ExtractRequest::output, "The file to write.");
    return f;
  }();
  return list;
}

const FieldList<ResizeRequest>& resize_fields() {
  static const FieldList<ResizeRequest> list = [] {
    FieldList<ResizeRequest> f;
    f.group("Resize");
    f.add("pretrained_model_name_or_path", &ResizeRequest::pretrained_model_name_or_path,
          "The base that the adapter is for.");
    f.add("variant", &ResizeRequest::variant, "File variant of a diffusers folder, such as fp16.");
    f.add("adapter_path", &ResizeRequest::adapter_path, "The adapter, in any spelling.");
    f.add("rank", &ResizeRequest::rank, "The new rank of every module.").at_least(1).at_most(4096);
    f.add("output", &ResizeRequest::output, "The file to write.");
    return f;
  }();
  return list;
}

const FieldList<BenchRequest>& bench_fields() {
  static const FieldList<BenchRequest> list = [] {
    FieldList<BenchRequest> f;
    f.group("Bench");
    f.add("what", &BenchRequest::what, "What is measured.")
        .one_of({"product", "layer", "step", "sample", "load", "merge"});
    f.add("preset", &BenchRequest::preset, "Size of the random model.")
        .one_of({"tiny", "mid", "full"});
    f.add("variant", &BenchRequest::variant,
          "none, lora, dora or merged; of a product the library, matmul, onednn or widened; "
          "repeatable; "
          "empty: "
          "all that apply.")
        .one_of({"none", "lora", "dora", "merged", "matmul", "onednn", "widened"});
    f.add("dtype", &BenchRequest::dtype, "Type of the frozen base.")
        .one_of({"fp32", "fp16", "bf16"});
    f.add("rank", &BenchRequest::rank, "Rank of the adapters.").at_least(1).at_most(4096);
    f.add("batch", &BenchRequest::batch, "Batch size.").at_least(1).at_most(256);
    f.add("latent", &BenchRequest::latent, "Height and width of the latents.")
        .at_least(8)
        .at_most(512);
    f.add("text", &BenchRequest::text, "Cross-attention width.").at_least(8).at_most(8192);
    f.add("text_cache_mb", &BenchRequest::text_cache_mb,
          "step: memory for products with frozen text; 0: made in every step.")
        .at_least(0)
        .at_most(1 << 20);
    f.add("gradient_checkpointing", &BenchRequest::gradient_checkpointing,
          "step: recompute blocks in the backward pass.");
    f.add("in_features", &BenchRequest::in_features, "product, layer: width of the input.")
        .at_least(1)
        .at_most(65536);
    f.add("out_features", &BenchRequest::out_features, "product, layer: width of the output.")
        .at_least(1)
        .at_most(65536);
    f.add("tokens", &BenchRequest::tokens, "product, layer: rows of the input.")
        .at_least(1)
        .at_most(1 << 20);
    f.add("input_gradient", &BenchRequest::input_gradient,
          "layer: whether the input wants a gradient; keys and values of frozen text do not.");
    f.add("dora_norm_gradient", &BenchRequest::dora_norm_gradient,
          "layer, step: DoRA's norm a constant for the gradient (paper, eq. 11) or not (eq. 6).")
        .one_of({"detached", "full"});
    f.add("rounds", &BenchRequest::rounds, "Repetitions; the variants alternate.")
        .at_least(1)
        .at_most(1000);
    f.add("threads", &BenchRequest::threads, "Threads.").at_least(1).at_most(1024);
    f.add("device", &BenchRequest::device, "auto, cpu, cuda or cuda:N.");
    f.add("pretrained_model_name_or_path", &BenchRequest::pretrained_model_name_or_path,
          "load, merge: a base on disk instead of a random one.");
    return f;
  }();
  return list;
}

const FieldList<SurveyRequest>& survey_fields() {
  static const FieldList<SurveyRequest> list = [] {
    FieldList<SurveyRequest> f;
    f.group("Survey");
    add_picture_fields(f);
    f.add("seed", &SurveyRequest::seed, "Of the random crops.").at_least(0);
    f.add("train_batch_size", &SurveyRequest::train_batch_size, "Pictures a micro-batch.")
        .at_least(1)
        .at_most(1024);
    add_bucket_fields(f);
    add_mask_fields(f);
    add_prior_fields(f);
    f.add("thumbnail_size", &SurveyRequest::thumbnail_size,
          "Longer side of the thumbnails in pixels; 0: none.")
        .at_least(0)
        .at_most(256);
    return f;
  }();
  return list;
}

SurveyRequest survey_request_of(const TrainConfig& config) {
  SurveyRequest request;
  static_cast<DataOptions&>(request) = config;
  request.seed = config.seed;
  request.train_batch_size = config.train_batch_size;
  return request;
}

}  // namespace dorabooth
