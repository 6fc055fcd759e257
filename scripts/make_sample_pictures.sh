#!/usr/bin/env bash
# Makes assets/pictures from a folder of Fluent Emoji 3D pictures with a metadata.jsonl (one object a line:
# file_name, text, category), by the rule that assets/pictures/README.md states.
set -euo pipefail
export LC_ALL=C

if [ $# -ne 1 ] || [ ! -f "$1/metadata.jsonl" ]; then
  echo "usage: $0 FOLDER    (a folder of pictures with a metadata.jsonl)" >&2
  exit 2
fi
source_folder=$1
target=$(cd "$(dirname "$0")/.." && pwd)/assets/pictures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# file name <tab> name, of every picture that the rule admits, in the order of the file names.
awk '
  function field(key,   start, rest) {
    start = index($0, "\"" key "\": \"")
    if (!start) return ""
    rest = substr($0, start + length(key) + 5)
    return substr(rest, 1, index(rest, "\"") - 1)
  }
  {
    category = field("category"); name = field("text")
    if (category == "Animals & Nature" || category == "Food & Drink" || category == "Smileys & Emotion")
      if (split(name, words, " ") <= 2) print field("file_name") "\t" name
  }' "$source_folder/metadata.jsonl" | sort > "$work/admitted"

# evenly COUNT FILE: the lines floor(i * lines / COUNT), i = 0 .. COUNT - 1.
evenly() {
  awk -v count="$1" '{ line[NR - 1] = $0 } END { for (i = 0; i < count; ++i) print line[int(i * NR / count)] }' "$2"
}
evenly 64 "$work/admitted" > "$work/train"
comm -23 "$work/admitted" "$work/train" > "$work/rest"
evenly 64 "$work/rest" > "$work/heldout"

for part in train heldout; do
  rm -rf "${target:?}/$part"
  mkdir -p "$target/$part"
  while IFS=$'\t' read -r file name; do
    install -m 644 "$source_folder/$file" "$target/$part/$file"
    printf '{"file_name": "%s", "text": "%s"}\n' "$file" "$name"
  done < "$work/$part" > "$target/$part/metadata.jsonl"
done
awk -F '\t' 'NR % 8 == 4 { print "a sks icon of " $2 }' "$work/heldout" > "$target/compare_prompts.txt"
