#!/usr/bin/env bash
# From a fresh clone to a personalized style: trains a LoRA and a DoRA of 64 softly shaded 3D icons in one run, draws them
# side by side, measures both on held-out pictures, and merges the DoRA.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/quickstart.sh [FOLDER]

Sets up, builds the program, and runs train, compare, evaluate and merge on the bundled base and pictures, about
four minutes on two cores after the build. Results go to FOLDER (out/quickstart unless given); an earlier result
there is replaced.
TEXT
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac

out=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../out/quickstart}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
scripts/build.sh dorabooth

# Threads that wait without spinning: on a busy machine, spinning costs up to ten times the work.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
program=build/release/dorabooth
base=assets/base
lora=$out/lora/pytorch_lora_weights.safetensors
dora=$out/dora/pytorch_lora_weights.safetensors
[ ! -e "$out" ] || [ -e "$out/run.json" ] || [ -z "$(ls -A "$out")" ] || {
  echo "quickstart: $out holds other files; give another folder" >&2
  exit 1
}
rm -rf "$out"
mkdir -p "$out"

headline() { printf '\n== %s\n' "$*"; }
started=$SECONDS
headline "train: LoRA and DoRA in one run, 64 pictures"
"$program" train --config configs/quickstart.json --output_dir "$out"
headline "compare: base, LoRA and DoRA on eight names that are not among the 64"
"$program" compare --pretrained_model_name_or_path "$base" --prompts_file assets/pictures/compare_prompts.txt \
  --seed 0,1 --num_inference_steps 25 --guidance_scale 3 --column "lora=$lora" --column "dora=$dora" \
  --output "$out/sheet.png"
headline "evaluate: denoising loss on 64 held-out pictures, 20 timesteps each"
"$program" evaluate --pretrained_model_name_or_path "$base" --instance_data_dir assets/pictures/heldout \
  --instance_prompt 'a sks icon of {caption}' --resolution 128 --num_timesteps 20 --adapter_path "lora=$lora" \
  --adapter_path "dora=$dora"
headline "merge: the DoRA into the base"
"$program" merge --pretrained_model_name_or_path "$base" --adapter_path "$dora" --output_dir "$out/merged"

headline "done in $((SECONDS - started)) seconds"
cat <<TEXT
contact sheet   $out/sheet.png
LoRA            $lora
DoRA            $dora
merged model    $out/merged
the run         $out/run.json, $out/metrics.jsonl
TEXT
