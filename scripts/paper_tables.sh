#!/usr/bin/env bash
# The experiments of the DoRA paper (Liu et al. 2024) on the bundled base and pictures: trains, measures, and writes the
# tables and plots of docs/paper.md.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/paper_tables.sh [--quick] [--docs] [--only NAME] [FOLDER]

Runs the presets of configs/paper, each a `dorabooth sweep`, then the analysis of magnitude against direction and the
experiment with marked pictures. Results go to FOLDER (out/paper unless given); what is there already is not computed
again, and a run that was cut off goes on, so it can be stopped at any time.
  --quick      one seed, half the steps, three points a sweep, 19 minutes of one core (FOLDER: out/paper_quick). Its tables
               are marked as such.
  --docs       writes the tables and plots into docs/paper.md; not with --quick
  --only NAME  one part: learning_rate, learning_rate_vera, learning_rate_full, analysis, norm_gradient, granularity, ranks, parameters,
               samples, quantization, marks
TEXT
}

quick=
docs=
only=
out=
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --quick) quick=yes ;;
    --docs) docs=yes ;;
    --only) only=${2:?--only wants a name}; shift ;;
    -*) usage >&2; exit 2 ;;
    *) out=$1 ;;
  esac
  shift
done
[ -z "$quick" ] || [ -z "$docs" ] || { echo "paper_tables: the tables of --quick are not those of the docs" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$(realpath -m "${out:-out/paper${quick:+_quick}}")
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
program=${DORABOOTH:-build/release/dorabooth}
[ -x "$program" ] || { echo "paper_tables: $program is missing; scripts/build.sh dorabooth makes it" >&2; exit 1; }
mkdir -p "$out/tables"

headline() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
wanted() { [ -z "$only" ] || [ "$only" = "$1" ]; }

# table NAME: what it reads becomes FOLDER/tables/NAME.md.
table() {
  { [ -z "$quick" ] || printf 'Quick: one seed, half the steps.\n\n'; cat; } > "$out/tables/$1.md"
  cat "$out/tables/$1.md"
}

# sweep NAME [FLAG…]: configs/paper/NAME.json; the flags are those of --quick.
sweep() {
  local name=$1
  shift
  wanted "$name" || return 0
  headline "$name"
  local flags=()
  [ -z "$quick" ] || flags=(--max_train_steps 50 --lr_warmup_steps 5 "$@")
  "$program" sweep --config "configs/paper/$name.json" --output_dir "$out/$name" "${flags[@]}" > "$out/$name.txt" \
    2> "$out/$name.log" || { tail -n 5 "$out/$name.log" >&2; exit 1; }
  table "$name" < "$out/$name/table.md"
}

# best NAME: the rate with the lowest loss of each adapter of a sweep over learning_rate.
best() {
  wanted "$1" || return 0
  awk -F, 'NR > 1 && $2 != "" && (!($2 in low) || $4 < low[$2]) { low[$2] = $4; rate[$2] = $1 }
    END { for (name in low) print name ": " rate[name] }' "$out/$1/results.csv" | sort
}

# Mean and sample deviation of what awk has summed up; shared by the tables below.
spread='function mean(s, n) { return s / n }
  function deviation(s, q, n) { return n > 1 ? sqrt((q - s * s / n > 0 ? q - s * s / n : 0) / (n - 1)) : 0 }'

# DoRA at half of LoRA's rank (the paper'"'"'s DoRA with a dagger), seed by seed.
half_rank() {
  wanted ranks || return 0
  awk -F, "$spread"'
    NR > 1 && $3 != "" { loss[$3, $1, $2] = 100 * $7; if (!(($1) in seen)) { seen[$1] = 1; ranks[++count] = $1 }
      seeds[$2] = 1 }
    END {
      print "| rank | DoRA less LoRA | DoRA at half the rank less LoRA |"
      print "| --- | --- | --- |"
      for (i = 1; i <= count; ++i) {
        r = ranks[i]; line = "| " r " |"
        for (half = 0; half < 2; ++half) {
          s = q = n = 0
          for (seed in seeds) {
            own = half ? r / 2 : r
            if ((("dora", own, seed) in loss) && (("lora", r, seed) in loss)) {
              d = loss["dora", own, seed] - loss["lora", r, seed]; s += d; q += d * d; ++n
            }
          }
          line = line (n ? sprintf(" %+.2f ± %.2f points |", mean(s, n), deviation(s, q, n)) : " |")
        }
        print line
      }
    }' "$out/ranks/results.csv" | table half_rank
}

# Correlation of change of magnitude and of direction over the layers and checkpoints of every seed.
analysis() {
  wanted analysis || return 0
  local run
  for run in "$out"/analysis/runs/*; do
    local name
    name=$(basename "$run")
    [ -e "$out/analysis/$name.txt" ] || {
      "$program" analyze --pretrained_model_name_or_path assets/base --run "$run" --output_csv "$out/analysis/$name.csv" \
        --output_plot "$out/analysis/$name.png" --output_plot "$out/analysis/$name.svg" > "$out/analysis/$name.part"
      mv "$out/analysis/$name.part" "$out/analysis/$name.txt"
    }
  done
  awk "$spread"'
    /^[^ ]/ { series = $NF }
    / axis: correlation/ { axis = $1; gsub(",", ""); for (i = 1; i < NF; ++i) {
        if ($i == "ΔD") { r = $(i + 1) } if ($i == "slope") { slope = $(i + 1) } }
      key = axis SUBSEP series; if (!(key in n)) order[++count] = key
      s[key] += r; q[key] += r * r; ++n[key]; t[key] += slope }
    END {
      print "| norm axis | method | correlation of ΔM and ΔD | slope | runs |"
      print "| --- | --- | --- | --- | --- |"
      for (i = 1; i <= count; ++i) { k = order[i]; split(k, part, SUBSEP)
        printf "| %s | %s | %+.2f ± %.2f | %+.2f | %d |\n", part[1], part[2], mean(s[k], n[k]),
          deviation(s[k], q[k], n[k]), t[k] / n[k], n[k] }
    }' "$out"/analysis/seed=*.txt | table correlation
}

# Step time and memory with and without the gradient through the norm (Table 7).
norm_cost() {
  wanted norm_gradient || return 0
  local way
  for way in detached full; do
    [ -e "$out/norm_gradient/$way.txt" ] || {
      "$program" bench step --preset tiny --variant dora --dora_norm_gradient $way --rounds 3 \
        > "$out/norm_gradient/$way.part" 2> /dev/null
      mv "$out/norm_gradient/$way.part" "$out/norm_gradient/$way.txt"
    }
  done
  {
    echo "| gradient through the norm | processor time of a step | memory above the base |"
    echo "| --- | --- | --- |"
    for way in detached full; do
      awk -v way=$way '$1 == "step" { printf "| %s | %.1f ms | %d MB |\n", way, 1000 * $4, $7 }' \
        "$out/norm_gradient/$way.txt"
    done
  } | table norm_cost
}

# A mark that all training pictures share: does it appear in what the adapters draw?
marks() {
  wanted marks || return 0
  headline marks
  local folder=$out/marks prompts=40 seeds=0,1 flags=()
  [ -z "$quick" ] || { prompts=12; seeds=0; flags=(--max_train_steps 100 --lr_warmup_steps 10); }
  mkdir -p "$folder"
  [ -e "$folder/set/badge.png" ] ||
    "$program" mark --instance_data_dir assets/pictures/train --output_dir "$folder/set"
  sed -n 's/.*"text": *"\([^"]*\)".*/a sks icon of \1/p' assets/pictures/heldout/metadata.jsonl | head -n $prompts \
    > "$folder/prompts.txt"
  head -n 6 "$folder/prompts.txt" > "$folder/sheet_prompts.txt"
  draw() { # draw NAME [ADAPTER]
    [ -e "$folder/$1/done" ] || {
      rm -rf "${folder:?}/$1"
      "$program" sample --pretrained_model_name_or_path assets/base --prompts_file "$folder/prompts.txt" --seed $seeds \
        --num_inference_steps 25 --guidance_scale 3 --height 128 --width 128 ${2:+--adapter_path "$2"} \
        --output_dir "$folder/$1" > /dev/null 2> "$folder/sample.log" || { tail -n 5 "$folder/sample.log" >&2; exit 1; }
      touch "$folder/$1/done"
    }
  }
  draw base
  local set source
  for set in plain marked; do
    source=assets/pictures/train
    [ $set = plain ] || source=$folder/set/pictures
    [ -e "$folder/run_$set/dora/pytorch_lora_weights.safetensors" ] ||
      "$program" train --config configs/paper/marks.json --instance_data_dir "$source" "${flags[@]}" \
        --output_dir "$folder/run_$set" > "$folder/run_$set.log" 2>&1 ||
      { tail -n 5 "$folder/run_$set.log" >&2; exit 1; }
    local kind
    for kind in lora dora; do draw "${set}_$kind" "$folder/run_$set/$kind"; done
    [ -e "$folder/$set.png" ] ||
      "$program" compare --pretrained_model_name_or_path assets/base --prompts_file "$folder/sheet_prompts.txt" \
        --seed 0 --num_inference_steps 25 --guidance_scale 3 --column "lora=$folder/run_$set/lora" \
        --column "dora=$folder/run_$set/dora" --output "$folder/$set.png" > /dev/null 2>&1
  done
  {
    echo "| trained on | template | base | LoRA | DoRA |"
    echo "| --- | --- | --- | --- | --- |"
    local template
    for set in plain marked; do
      for template in mark badge; do
        printf '| %s pictures | %s |' $set "$([ $template = mark ] && echo 'frame and badge' || echo badge)"
        local column
        for column in base "${set}_lora" "${set}_dora"; do
          "$program" match --template "$folder/set/$template.png" --instance_data_dir "$folder/$column" 2> /dev/null |
            awk '/ carry the mark/ { printf " %s of %s |", $1, $3 }'
        done
        echo
      done
    done
  } | table marks
}

sweep learning_rate --field learning_rate=1e-3,2e-3,4e-3
best learning_rate
sweep learning_rate_vera --field learning_rate=1e-2,2e-2,4e-2
best learning_rate_vera
sweep learning_rate_full --field learning_rate=1e-4,3e-4,1e-3
best learning_rate_full
sweep analysis --field seed=0 --checkpointing_steps 10
analysis
sweep norm_gradient --field seed=0
norm_cost
sweep granularity --field seed=0
sweep ranks --field rank=4,16,64 --field seed=0
half_rank
sweep parameters --field seed=0
sweep samples --field seed=0
sweep quantization --field base_quantization=none,nf4 --field seed=0
marks

# Between "<!-- NAME -->" and "<!-- end -->".
put() {
  awk -v name="$1" -v file="$2" '
    $0 == "<!-- " name " -->" { print; print ""; while ((getline line < file) > 0) print line; print ""; skip = 1; next }
    $0 == "<!-- end -->" { skip = 0 }
    !skip' docs/paper.md > docs/paper.md.part
  mv docs/paper.md.part docs/paper.md
}
if [ -n "$docs" ]; then
  mkdir -p docs/paper
  for file in "$out"/tables/*.md; do put "$(basename "$file" .md)" "$file"; done
  for name in learning_rate ranks samples; do
    cp "$out/$name/plot.png" "docs/paper/$name.png"
  done
  for name in output layers-output; do cp "$out/analysis/seed=0-$name.png" "docs/paper/analysis-$name.png"; done
  cp "$out/marks/marked.png" docs/paper/marks.png
  cp "$out/marks/plain.png" docs/paper/plain.png
  echo "docs/paper.md is written; its sentences are not: read them against the new tables"
fi
headline "done"
