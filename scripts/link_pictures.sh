#!/usr/bin/env bash
# Makes FOLDER of links to those pictures of an imagefolder whose line of metadata.jsonl meets a condition.
set -euo pipefail

if [[ $# -ne 3 ]]; then
  cat >&2 <<'TEXT'
usage: scripts/link_pictures.sh IMAGEFOLDER CONDITION FOLDER

CONDITION is awk's, over the lines of metadata.jsonl: 'NR % 10 == 5' is every tenth picture from the fifth on.
FOLDER gets the links and a metadata.jsonl of its own; where it has one, nothing is done.
TEXT
  exit 2
fi
from=$(realpath "$1") condition=$2 folder=$3
[ -e "$folder/metadata.jsonl" ] && exit 0
mkdir -p "$folder"
awk "$condition" "$from/metadata.jsonl" > "$folder/metadata.part"
sed -n 's/.*"file_name": *"\([^"]*\)".*/\1/p' "$folder/metadata.part" | while read -r name; do
  ln -sf "$from/$name" "$folder/$name"
done
mv "$folder/metadata.part" "$folder/metadata.jsonl"
