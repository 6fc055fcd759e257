#!/usr/bin/env bash
# SDXL in its real size, with random weights: loads, samples, trains, merges, converts, and goes from a folder to a
# single file and back bit for bit. Prints one table with the limits that must hold.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/full_size_check.sh [FOLDER] [--peers PYTHON] [--only STEP[,STEP…]]

FOLDER (out/full_size) gets the base (7 GB, kept) and what each step took; outputs of 7 GB are removed as soon as they
are checked. A step that has its result in FOLDER/results is not run again: remove that folder, or one file of it, to
measure anew. With PYTHON, which has torch, diffusers and PEFT, the peer merges the same adapter, and loads the same
base, in three rounds, in turn with this program; the table has the medians of times and of ratios. Steps: start sample
train merge convert layout single svd. One thread unless OMP_NUM_THREADS says otherwise. Status 1 where a limit does not
hold. Needs 24 GB of memory and 30 GB of disk.
TEXT
}

folder=
python=
only=
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --peers) python=${2:?--peers needs a Python}; shift 2 ;;
    --only) only=,${2:?--only needs steps},; shift 2 ;;
    -*) usage >&2; exit 2 ;;
    *) folder=$1; shift ;;
  esac
done
folder=$(realpath -m "${folder:-$(dirname "${BASH_SOURCE[0]}")/../out/full_size}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${DORABOOTH_BUILD:-build/release}
program=$build/dorabooth
for tool in dorabooth make_full_size_base measure_command; do
  [ -x "$build/$tool" ] || cmake --build "$build" --target "$tool"
done
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} HF_HUB_OFFLINE=1
base=$folder/base
dora=$folder/base_dora.safetensors
results=$folder/results
work=$folder/work
mkdir -p "$results" "$folder"
"$build/make_full_size_base" "$base"

# In the page cache, as far as it has room, and nothing of the step before on its way to the disk.
warm() { sync; find "$base" -name '*.safetensors' -exec cat {} + > /dev/null; }

# step NAME COMMAND…: runs it, measured, unless its result is there.
step() {
  local name=$1
  shift
  [ ! -e "$results/$name" ] || return 0
  wanted "${name%%.*}" || return 0
  echo "== $name: $*" >&2
  rm -rf "$work"
  mkdir -p "$work"
  warm
  "$build/measure_command" "$work/took" "$@" >&2
  if check_"${name%%.*}" "$name"; then mv "$work/took" "$results/$name"; else echo "$name: FAILED" >&2; exit 1; fi
  rm -rf "$work"
}

# What is compared with a peer is measured in rounds, in turn.
rounds=3
[ -n "$python" ] || rounds=1

# The peer measures itself, so that the imports of its packages do not count as merging.
peer() {
  local name=$1
  shift
  { [ ! -e "$results/$name" ] && [ -n "$python" ]; } || return 0
  echo "== $name" >&2
  rm -rf "$work"
  mkdir -p "$work"
  warm
  "$python" scripts/peers/full_size_peer.py "$@" "$work/took" >&2
  mv "$work/took" "$results/$name"
  rm -rf "$work"
}
wanted() { [ -z "$only" ] || [[ $only == *,"$1",* ]]; }

# The first UNet output: `bench` itself times from the start of a process.
start_own() {
  local median
  [ ! -e "$results/$1" ] || return 0
  echo "== $1" >&2
  rm -rf "$work"
  mkdir -p "$work"
  warm
  "$program" bench --what load --pretrained_model_name_or_path "$base" --dtype bf16 --rounds 1 --json > "$work/bench"
  median() { sed -n "s/.*\"$1\": *\([0-9.e+-]*\).*/\1/p" "$work/bench" | head -n 1; }
  echo "$(median wall_seconds_median) $(median cpu_seconds_median) $(median peak_mb)" > "$work/took"
  mv "$work/took" "$results/$1"
}
for ((round = 1; round <= rounds; ++round)); do
  wanted start || break
  start_own start.$round
  peer peer_start.$round start "$base" bfloat16 32
done

check_sample() { compgen -G "$work/pictures/*.png" > /dev/null; }
for stored in "" int8 fp8 nf4; do
  step "sample${stored:+.$stored}" "$program" sample --pretrained_model_name_or_path "$base" --prompt "a photo of a dog" \
    --seed 0 --num_inference_steps 1 --height 512 --width 512 --dtype bf16 --device cpu \
    ${stored:+--base_quantization "$stored"} --output_dir "$work/pictures"
done

check_train() { [ -e "$work/run/pytorch_lora_weights.safetensors" ] && [ "$(wc -l < "$work/run/metrics.jsonl")" -ge 1 ]; }
pictures=$folder/pictures
mkdir -p "$pictures"
cp -n "$(find assets/pictures/train -name '*.webp' | sort | head -n 1)" "$pictures/"
for stored in "" int8 fp8 nf4; do
  step "train${stored:+.$stored}" "$program" train --pretrained_model_name_or_path "$base" \
    --instance_data_dir "$pictures" --instance_prompt "a sks icon" --adapter dora --rank 16 --resolution 512 \
    --train_batch_size 1 --gradient_checkpointing --mixed_precision bf16 --max_train_steps 1 --device cpu \
    ${stored:+--base_quantization "$stored"} --output_dir "$work/run"
done

check_merge() { [ -e "$work/merged/merge_receipt.json" ] && ! cmp -s "$base/unet/diffusion_pytorch_model.safetensors" "$work/merged/unet/diffusion_pytorch_model.safetensors"; }
for ((round = 1; round <= rounds; ++round)); do
  wanted merge || break
  step merge.$round "$program" merge --pretrained_model_name_or_path "$base" --adapter_path "$dora" \
    --output_dir "$work/merged"
  peer peer_merge.$round merge "$base" "$dora" "$work/merged" float16
done

check_convert() { [ -e "$work/adapter.safetensors" ] || [ -e "$work/adapter/unet/adapter_model.safetensors" ]; }
for target in diffusers kohya kohya-sgm comfyui peft; do
  output=(--output "$work/adapter.safetensors")
  [ "$target" != peft ] || output=(--output_dir "$work/adapter")
  step "convert.$target" "$program" convert --pretrained_model_name_or_path "$base" --adapter_path "$dora" \
    --to "$target" "${output[@]}"
done

# Folder → single file → folder, then the single file again from that folder: every file is the same.
single=$folder/single.safetensors
check_layout() { [ -e "$single" ]; }
step layout "$program" merge --pretrained_model_name_or_path "$base" --layout single_file --output "$single"
check_single() {
  diff -r --exclude=merge_receipt.json --exclude=single_file_extras.safetensors "$base" "$work/folder" >&2 &&
    "$program" merge --pretrained_model_name_or_path "$work/folder" --layout single_file \
      --output "$work/again.safetensors" >&2 && cmp "$single" "$work/again.safetensors" >&2
}
if [ ! -e "$results/single" ] && [ ! -e "$single" ]; then rm -f "$results/layout"; fi
step single "$program" merge --pretrained_model_name_or_path "$single" --layout diffusers --output_dir "$work/folder"
if [ -e "$results/single" ]; then rm -f "$single" "$single.merge_receipt.json"; fi

check_svd() { [ -e "$work/lora.safetensors" ]; }
step svd "$program" convert --pretrained_model_name_or_path "$base" --adapter_path "$dora" --to lora-svd \
  --output "$work/lora.safetensors"

# ---------------------------------------------------------------- the table
failed=0
middle() { sort -g | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }
# The median over the rounds, where there were some.
value() { cat "$results/$1" "$results/$1".[0-9]* 2> /dev/null | cut -d ' ' -f "$2" | middle; }
ratios() {
  local round
  for round in 1 2 3; do
    [ ! -e "$results/$2.$round" ] || paste -d ' ' "$results/$2.$round" "$results/$1.$round" | awk '{ print $2 / $5 }'
  done
}
figure() { awk -v x="$1" 'BEGIN { printf((x < 10 ? "%.2f s" : "%.1f s"), x) }'; }
memory() { awk -v x="$1" 'BEGIN { printf((x < 1000 ? "%.0f MB" : "%.1f GB"), (x < 1000 ? x : x / 1024)) }'; }
holds() { awk -v a="$1" -v b="$2" "BEGIN { exit !(a $3 b) }"; }

# row TITLE NAME PEER LEAST_RATIO MOST_MB
row() {
  local title=$1 name=$2 peer=$3 least=$4 most=$5 theirs='' ratio='' limit='' met=yes
  [ -e "$results/$name" ] || [ -e "$results/$name.1" ] || return 0
  if [ -n "$peer" ] && [ -e "$results/$peer.1" ]; then
    ratio=$(ratios "$name" "$peer" | middle | awk '{ printf "%.1f", $1 }')
    theirs="$(figure "$(value "$peer" 2)"), $(memory "$(value "$peer" 3)")"
    limit="≥ $least ×, "
    holds "$ratio" "$least" '>=' || met='**no**'
  fi
  limit="$limit≤ $(memory "$most")"
  holds "$(value "$name" 3)" "$most" '<=' || met='**no**'
  [ "$met" = yes ] || failed=1
  echo "| $title | $(figure "$(value "$name" 1)") | $(figure "$(value "$name" 2)") | $(memory "$(value "$name" 3)") |" \
    "$theirs | $ratio | $limit | $met |"
}
echo "| full-size SDXL, $OMP_NUM_THREADS thread(s) | time | processor time | peak memory | diffusers + PEFT | ratio | limit | met |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- |"
all=24576
row "start to the UNet's first output, bf16, warm page cache" start peer_start 3 $all
row "one sampling step at 512², with both text encoders and the VAE, bf16" sample '' '' $all
for stored in int8 fp8 nf4; do row "the same, matrices in $stored" "sample.$stored" '' '' $all; done
row "training, one DoRA step of rank 16 at 512², bf16, checkpointing, with start and caches" train '' '' $all
for stored in int8 fp8 nf4; do row "the same, matrices in $stored" "train.$stored" '' '' $all; done
row "merge and save, DoRA of rank 16, fp16" merge peer_merge 8 300
for target in diffusers kohya kohya-sgm comfyui peft; do
  row "convert \`--to $target\`" "convert.$target" '' '' $all
done
row "convert \`--to lora-svd\`, 560 decompositions" svd '' '' $all
row "folder → single file" layout '' '' 300
row "single file → folder, the same bytes" single '' '' 300
exit $failed
