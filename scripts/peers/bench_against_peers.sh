#!/usr/bin/env bash
# Runs `dorabooth bench` and the Python peers' benchmark in turn on the same shapes, and prints one
# table of processor times: one thread, smallest time of all rounds, so that other load counts least.
#
# usage: bench_against_peers.sh PYTHON [PRESET [DTYPE [ROUNDS [WHAT…]]]]
# PYTHON has torch, diffusers and PEFT; peer_bench.py is beside this script. WHAT is step, sample, load or merge; none given: all four. PEER_OPTIONS are further words for the peer.
# DORABOOTH names the program (default build/release/dorabooth), TMPDIR where bases are written.
set -euo pipefail

if [[ $# -lt 1 ]]; then
  sed -n '5,7s/^# //p' "$0" >&2
  exit 2
fi
peer_bench=$(dirname "$0")/peer_bench.py
python=$1
preset=${2:-tiny}
dtype=${3:-fp32}
rounds=${4:-3}
program=${DORABOOTH:-"$(dirname "$0")/../../build/release/dorabooth"}
turns=2
what=("${@:5}")
((${#what[@]})) || what=(step sample load merge)
read -ra peer_options <<<"${PEER_OPTIONS:-}"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/bench-against-peers-XXXXXX")
trap 'rm -rf "$scratch"' EXIT

for one in "${what[@]}"; do
  for turn in $(seq "$turns"); do
    echo "$one, turn $turn of $turns" >&2
    "$program" bench "$one" --preset "$preset" --dtype "$dtype" --rounds "$rounds" \
      --threads 1 --device cpu --json >"$scratch/own-$one-$turn.json" 2>>"$scratch/log"
    extra=()
    [[ $one == merge ]] && extra=(--safe 1)
    "$python" "$peer_bench" "$one" --preset "$preset" --dtype "$dtype" --rounds "$rounds" \
      --threads 1 --scratch "$scratch" "${extra[@]}" "${peer_options[@]}" >"$scratch/peer-$one-$turn.jsonl" \
      2>>"$scratch/log" || { tail -5 "$scratch/log" >&2; exit 1; }
  done
done

"$python" - "$scratch" "$turns" "${what[@]}" <<'PY'
import json
import sys

folder, turns = sys.argv[1], int(sys.argv[2])


def merge_lines(lines, key, cpu, peak):
    best = {}
    for line in lines:
        seconds, mb = best.get(line[key], (float("inf"), 0))
        best[line[key]] = (min(seconds, line[cpu]), max(mb, line[peak]))
    return best


print(f"{'what':8}{'variant':10}{'own cpu s':>12}{'peer cpu s':>12}{'peer/own':>10}{'own MB':>9}{'peer MB':>9}")
for what in sys.argv[3:]:
    own, peer = [], []
    for turn in range(1, turns + 1):
        with open(f"{folder}/own-{what}-{turn}.json") as file:
            own += json.load(file)["lines"]
        with open(f"{folder}/peer-{what}-{turn}.jsonl") as file:
            peer += [json.loads(line) for line in file]
    for line in peer:
        if what == "load":
            line["variant"], line["cpu_min"] = "none", line["cpu"]
    own = merge_lines(own, "variant", "cpu_seconds_min", "peak_mb")
    peer = merge_lines(peer, "variant", "cpu_min", "peak_mb")
    for variant, (seconds, mb) in own.items():
        other, other_mb = peer.get(variant, (float("nan"), float("nan")))
        print(f"{what:8}{variant:10}{seconds:12.3f}{other:12.3f}{other / seconds:10.2f}{mb:9.0f}{other_mb:9.0f}")
    for above, below in (("dora", "lora"), ("lora", "none"), ("dora", "merged")):
        if above in own and below in own:
            ratio = own[above][0] / own[below][0]
            other = peer[above][0] / peer[below][0] if above in peer and below in peer else float("nan")
            print(f"{what:8}{above + '/' + below:14}own {ratio:.3f}   peer {other:.3f}")
PY
