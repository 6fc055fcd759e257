#!/usr/bin/env bash
# Measures a base that scripts/make_base.sh made, and draws what it knows.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/check_base.sh ICONS [BASE [OUT]]

ICONS holds the folders fluentflat, noto and twemoji, as for scripts/make_base.sh, and perhaps fluent3d; BASE is
assets/base unless given. Prints the reconstruction of the concepts that the autoencoder did not train on, and of all
of fluent3d, which must reach 29 dB; draws every 38th concept, 40 of them, in each of the three styles (OUT/STYLE.png),
and prints where the right concept stands among all real pictures of the style: among the nearest 5 % for at least 32
of 40. Status 1 where something falls short. OUT is out/check_base unless given. About a minute and a half.
TEXT
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
  "" | -*) usage >&2; exit 2 ;;
esac

icons=$(realpath "$1")
base=$(realpath "${2:-$(dirname "${BASH_SOURCE[0]}")/../assets/base}")
out=$(realpath -m "${3:-$(dirname "${BASH_SOURCE[0]}")/../out/check_base}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
program=${DORABOOTH:-$PWD/build/release/dorabooth}
mkdir -p "$out"
failed=0

folders=()
for style in fluentflat noto twemoji; do
  scripts/link_pictures.sh "$icons/$style" 'NR % 10 == 5' "$out/held_out/$style"
  folders+=(--instance_data_dir "$out/held_out/$style")
done
[ ! -e "$icons/fluent3d" ] || folders+=(--instance_data_dir "$icons/fluent3d")
"$program" reconstruct --pretrained_vae_model_name_or_path "$base" --resolution 128 --at_least 29 "${folders[@]}" ||
  failed=1

# draw STYLE WORD: every 38th concept, from one noise.
draw() {
  local style=$1 word=$2
  sed -n 's/.*"text": *"\([^"]*\)".*/\1/p' "$icons/$style/metadata.jsonl" |
    awk -v word="$word" 'NR % 38 == 0 { print "a " word " icon of " $0 }' > "$out/$style.txt"
  rm -rf "${out:?}/$style"
  "$program" sample --pretrained_model_name_or_path "$base" --prompts_file "$out/$style.txt" --seed 0 \
    --num_inference_steps 25 --guidance_scale 4 --output_dir "$out/$style" --sheet "$out/$style.png"
  "$program" rank --generated_dir "$out/$style" --instance_data_dir "$icons/$style" --caption_prefix "a $word icon of" \
    --at_least 32 || failed=1
}
draw fluentflat flat
draw noto noto
draw twemoji twitter
exit $failed
