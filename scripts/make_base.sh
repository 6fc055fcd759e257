#!/usr/bin/env bash
# Makes the bundled base model from pictures, by this program alone: drawn styles, vocabulary, autoencoder, UNet with
# both text encoders. About three hours on two cores; a run that was stopped goes on where it was.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/make_base.sh ICONS [WORK [OUT]]

ICONS holds the folders fluentflat, noto and twemoji, each with pictures and a metadata.jsonl whose "text" names the
concept; the same file names stand for the same concepts. WORK (out/base) gets the drawn pictures and checkpoints,
about 1 GB, and OUT (WORK/base) the finished model. Every tenth concept is kept from the autoencoder's training;
scripts/check_base.sh measures the result at the end.
TEXT
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
  "" | -*) usage >&2; exit 2 ;;
esac

icons=$(realpath "$1")
work=$(realpath -m "${2:-$(dirname "${BASH_SOURCE[0]}")/../out/base}")
out=$(realpath -m "${3:-$work/base}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for style in fluentflat noto twemoji; do
  [ -f "$icons/$style/metadata.jsonl" ] || { echo "make_base: $icons/$style/metadata.jsonl is missing" >&2; exit 1; }
done
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
program=${DORABOOTH:-$PWD/build/release/dorabooth}
mkdir -p "$work"

headline() { printf '\n== %s\n' "$*"; }

# restyle_once OUT ARGUMENT…: drawn pictures, complete or not at all.
restyle_once() {
  local target=$work/$1
  shift
  [ -e "$target" ] && return
  headline "drawn styles: ${target#"$work"/}"
  rm -rf "$target.part"
  "$program" restyle "$@" --output_dir "$target.part"
  mv "$target.part" "$target"
}

# pretrain_once OUT FILE ARGUMENT…: a stage, unless FILE, which it writes last, is there.
pretrain_once() {
  local target=$work/$1 last=$work/$1/$2
  shift 2
  [ -e "$last" ] && return
  headline "${target#"$work"/}"
  "$program" pretrain "$@" --output_dir "$target" --resume_from_checkpoint latest
  [ -e "$last" ] || { echo "make_base: stopped; run it again to go on" >&2; exit 1; }
}

# Every tenth concept is held back. Pictures are links, so that the folders cost nothing.
for style in fluentflat noto twemoji; do
  scripts/link_pictures.sh "$icons/$style" 'NR % 10 != 5' "$work/vae_train/$style"
done
ln -sfn "$icons" "$work/icons"

restyle_once drawn/vae_fluentflat --instance_data_dir "$work/vae_train/fluentflat" --styles_per_image 4 --seed 1 \
  --shapes 4000
restyle_once drawn/vae_noto --instance_data_dir "$work/vae_train/noto" --styles_per_image 3 --seed 2
restyle_once drawn/vae_twemoji --instance_data_dir "$work/vae_train/twemoji" --styles_per_image 2 --seed 3
restyle_once drawn/fluentflat --instance_data_dir "$icons/fluentflat" --styles_per_image 12 --seed 11
restyle_once drawn/noto --instance_data_dir "$icons/noto" --styles_per_image 4 --seed 12
restyle_once drawn/twemoji --instance_data_dir "$icons/twemoji" --styles_per_image 4 --seed 13

cat > "$work/flat.json" <<'JSON'
[{"instance_data_dir": "vae_train/fluentflat"},
 {"instance_data_dir": "vae_train/noto"},
 {"instance_data_dir": "vae_train/twemoji"}]
JSON
cat > "$work/vae.json" <<'JSON'
[{"instance_data_dir": "vae_train/fluentflat", "repeats": 3},
 {"instance_data_dir": "vae_train/noto", "repeats": 2},
 {"instance_data_dir": "vae_train/twemoji"},
 {"instance_data_dir": "drawn/vae_fluentflat"},
 {"instance_data_dir": "drawn/vae_noto"},
 {"instance_data_dir": "drawn/vae_twemoji"}]
JSON
cat > "$work/unet.json" <<'JSON'
[{"instance_data_dir": "icons/fluentflat", "instance_prompt": "a flat icon of {caption}", "repeats": 6},
 {"instance_data_dir": "icons/noto", "instance_prompt": "a noto icon of {caption}", "repeats": 5},
 {"instance_data_dir": "icons/twemoji", "instance_prompt": "a twitter icon of {caption}", "repeats": 5},
 {"instance_data_dir": "drawn/fluentflat"},
 {"instance_data_dir": "drawn/noto"},
 {"instance_data_dir": "drawn/twemoji"},
 {"instance_data_dir": "icons/fluentflat", "instance_prompt": "an icon of {caption}"},
 {"instance_data_dir": "icons/noto", "instance_prompt": "an icon of {caption}"},
 {"instance_data_dir": "icons/twemoji", "instance_prompt": "an icon of {caption}"}]
JSON

pretrain_once words tokenizer_2/spiece.model --stage tokenizer --config_dir assets/base_config \
  --concepts_list "$work/unet.json" --vocab_size 2048 --model_max_length 32 --own_pieces sks --own_pieces ohwx
rm -rf "$work/config"
cp -r assets/base_config "$work/config"
cp -r "$work/words/tokenizer" "$work/words/tokenizer_2" "$work/config/"

# The autoencoder: crops of flat pictures, whole pictures of all kinds, fp32 at the end.
vae=(--stage vae --config_dir assets/base_config --resolution 128 --center_crop --latent_noise 0.1 --output_dtype fp32
  --checkpointing_steps 500 --checkpoints_total_limit 2)
whole=("${vae[@]}" --concepts_list "$work/vae.json" --train_batch_size 8 --lr_scheduler cosine)
weights=vae/diffusion_pytorch_model.safetensors
pretrain_once vae_a $weights "${vae[@]}" --concepts_list "$work/flat.json" --crop_size 64 --train_batch_size 16 \
  --mixed_precision bf16 --max_train_steps 5000 --learning_rate 1e-3 --lr_scheduler constant_with_warmup --seed 0 \
  --whiten_latents
pretrain_once vae_b $weights "${whole[@]}" --pretrained_model_name_or_path "$work/vae_a" --mixed_precision bf16 \
  --max_train_steps 4300 --learning_rate 1e-3 --seed 1
pretrain_once vae_c $weights "${whole[@]}" --pretrained_model_name_or_path "$work/vae_b" --mixed_precision bf16 \
  --max_train_steps 5000 --learning_rate 1e-3 --seed 2
pretrain_once vae_d $weights "${whole[@]}" --pretrained_model_name_or_path "$work/vae_c" --max_train_steps 600 \
  --learning_rate 2e-4 --ema_decay 0.99 --seed 3 --whiten_latents
pretrain_once unet_a unet/diffusion_pytorch_model.safetensors --stage unet --config_dir "$work/config" \
  --concepts_list "$work/unet.json" --pretrained_vae_model_name_or_path "$work/vae_d" --resolution 128 --center_crop \
  --train_batch_size 32 --mixed_precision bf16 --learning_rate 1e-3 --adam_beta2 0.99 --ema_decay 0.999 \
  --proportion_empty_prompts 0.1 --loss_weighting velocity --loss_weight_limit 15 --max_train_steps 16000 \
  --lr_scheduler cosine --lr_warmup_steps 300 --seed 0 --checkpointing_steps 1000 --checkpoints_total_limit 2
mkdir -p "$out"
for part in model_index.json scheduler text_encoder text_encoder_2 tokenizer tokenizer_2 unet vae; do
  cp -r "$work/unet_a/$part" "$out/"
done
headline "what it learned"
scripts/check_base.sh "$icons" "$out" "$work/check"
headline "finished: $out"
