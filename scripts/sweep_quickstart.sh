#!/usr/bin/env bash
# Learning rate and steps of the quick start's adapters: every pair trains a LoRA and a DoRA in one run, and their loss
# on the held-out pictures is measured.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/sweep_quickstart.sh [FOLDER [RATES [STEPS]]]

Prints a table: the held-out denoising loss of LoRA and DoRA, in percent against the base's, for each of RATES
("5e-4 1e-3 2e-3 4e-3") and STEPS ("100 200 300 400"), each with its own cosine. Everything else is
configs/quickstart.json's. Results go to FOLDER (out/sweep unless given); what is there already is not trained again.
The best of each method is named at the end; it was chosen on the pictures that it is measured on. About fifteen
minutes on two cores.
TEXT
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac

out=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../out/sweep}")
rates=${2:-5e-4 1e-3 2e-3 4e-3}
steps=${3:-100 200 300 400}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
program=${DORABOOTH:-build/release/dorabooth}
mkdir -p "$out"

# percent NAME FILE: the change against the base's loss.
percent() { awk -v name="$1" '$1 == name { for (i = 2; i < NF; ++i) if ($(i + 1) == "%") print $i }' "$2"; }

# best NAME: "CHANGE RATE STEPS" of the lowest loss.
best() { sort -g "$out/$1.txt" | head -n 1; }

: > "$out/lora.txt"
: > "$out/dora.txt"
echo "| learning rate | steps | LoRA | DoRA |"
echo "| --- | --- | --- | --- |"
for rate in $rates; do
  for count in $steps; do
    run=$out/$rate-$count
    if [ ! -e "$run.txt" ]; then
      "$program" train --config configs/quickstart.json --learning_rate "$rate" --max_train_steps "$count" \
        --output_dir "$run" > "$run.log" 2>&1 || { tail -n 5 "$run.log" >&2; exit 1; }
      "$program" evaluate --pretrained_model_name_or_path assets/base --instance_data_dir assets/pictures/heldout \
        --instance_prompt 'a sks icon of {caption}' --resolution 128 --num_timesteps 20 \
        --adapter_path "lora=$run/lora/pytorch_lora_weights.safetensors" \
        --adapter_path "dora=$run/dora/pytorch_lora_weights.safetensors" > "$run.part" 2>> "$run.log"
      mv "$run.part" "$run.txt"
    fi
    echo "| $rate | $count | $(percent lora "$run.txt") % | $(percent dora "$run.txt") % |"
    for name in lora dora; do echo "$(percent $name "$run.txt") $rate $count" >> "$out/$name.txt"; done
  done
done
echo
for name in lora dora; do
  read -r change rate count <<< "$(best $name)"
  echo "best $name: $change % at learning rate $rate, $count steps"
done
