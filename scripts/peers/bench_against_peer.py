#!/usr/bin/env python3
"""Rows of ../bench_against_peer.sh: what is measured, against what, and the table.

Both sides keep a worker process a variant: built once, warmed up, then one repetition each in turn
(A B C, C B A, ...), so that noise falls on all alike. A ratio is the median over rounds of the ratio
within one round, a figure the median over rounds. The work is the same on both sides: random weights
in SDXL's architecture, batch 1, 32x32 latents, 77 tokens of width 2048, rank 16 and alpha 16 on
to_q, to_k, to_v and to_out.0, B as if trained; a step is noise, UNet, mean squared error, backward,
clipping at 1 and AdamW over cached latents and text. In bf16 the peer runs under autocast with
adapters in bf16, the own adapters stay fp32.

Memory is the peak of resident pages of a variant's process (VmHWM) during its repetitions: the
"process" rows compare it whole, the "extra" rows its excess over the state before the first one.
"""
import fnmatch
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEER = HERE / "peer_bench.py"
PROGRAM = os.environ.get("DORABOOTH", str(ROOT / "build/release/dorabooth"))
RESULTS = Path(os.environ.get("BENCH_RESULTS", ROOT / "build/bench"))
THREADS = 1


@dataclass(frozen=True)
class Subject:
    """One process: a variant of one kind of work on one side."""
    side: str  # "own", "peer"
    what: str
    variant: str
    options: tuple = ()  # of the own request, as sorted pairs

    def option(self, name, absent=None):
        return dict(self.options).get(name, absent)


@dataclass
class Row:
    """above / below of `quantity`, which `bar` bounds; rows of one `group` are measured together."""
    name: str
    label: str
    group: str
    above: Subject
    below: Subject
    bar: float = None
    least: bool = True  # the bar is a least ratio; else a largest
    quantity: str = "cpu"  # cpu seconds, extra_mb, peak_mb
    warm: int = 2


@dataclass
class Taken:
    cpu: list = field(default_factory=list)
    peak_mb: float = 0.0
    extra_mb: float = 0.0


# ---------------------------------------------------------------- the rows

def subject(side, what, variant, **options):
    return Subject(side, what, variant, tuple(sorted(options.items())))


def step_rows():
    def sides(preset, dtype, **more):
        def make(side, variant, **extra):
            return subject(side, "step", variant, preset=preset, dtype=dtype, **more, **extra)
        return make

    rows = []
    tiny = sides("tiny", "fp32")
    half = sides("tiny", "bf16")
    mid = sides("mid", "fp32")
    full = sides("full", "bf16", gradient_checkpointing=True)
    own_pair = "training step, own DoRA / own LoRA, "
    dora = "training step, PEFT DoRA / own DoRA, "
    lora = "training step, PEFT **LoRA** / own **DoRA**, "
    full_text = "full bf16 with checkpointing"
    rows += [
        Row("tiny_pair", own_pair + "tiny fp32", "tiny", tiny("own", "dora"), tiny("own", "lora"), 1.10, False),
        Row("tiny_bf16_pair", own_pair + "tiny bf16", "tiny bf16", half("own", "dora"), half("own", "lora"), 1.10,
            False),
        Row("full_pair", own_pair + full_text, "full own", full("own", "dora"), full("own", "lora"), 1.10, False,
            warm=1),
        Row("tiny_step", dora + "tiny fp32", "tiny", tiny("peer", "dora"), tiny("own", "dora"), 3.0),
        Row("tiny_bf16_step", dora + "tiny bf16", "tiny bf16", half("peer", "dora"), half("own", "dora"), 2.5),
        Row("mid_step", dora + "mid fp32", "mid", mid("peer", "dora"), mid("own", "dora"), 2.2, warm=1),
        Row("full_step", dora + full_text, "full dora", full("peer", "dora"), full("own", "dora"), 2.2, warm=1),
        Row("tiny_lora_step", lora + "tiny fp32", "tiny", tiny("peer", "lora"), tiny("own", "dora"), 1.6),
        Row("full_lora_step", lora + full_text, "full lora", full("peer", "lora"), full("own", "dora"), 1.25, warm=1),
        Row("tiny_extra", "extra memory of a step, own DoRA / own LoRA, tiny fp32", "tiny", tiny("own", "dora"),
            tiny("own", "lora"), 1.10, False, "extra_mb"),
        Row("full_extra", "extra memory of a step, own DoRA / own LoRA, " + full_text, "full own",
            full("own", "dora"), full("own", "lora"), 1.10, False, "extra_mb", 1),
        Row("tiny_process", "peak memory of the training process, PEFT DoRA / own DoRA, tiny fp32", "tiny",
            tiny("peer", "dora"), tiny("own", "dora"), 3.0, True, "peak_mb"),
    ]
    for name, make, where, group, warm in (("tiny", tiny, "tiny fp32", "tiny", 2),
                                           ("full", full, full_text, "full ablation", 1)):
        above = make("own", "dora", dora_norm_gradient="full")
        rows += [
            Row(name + "_norm_memory", "extra memory of a step, own DoRA, full norm gradient / detached, " + where,
                group, above, make("own", "dora"), None, False, "extra_mb", warm),
            Row(name + "_norm_time", "training step, own DoRA, full norm gradient / detached, " + where, group,
                above, make("own", "dora"), None, False, "cpu", warm),
        ]
    return rows


def layer_rows():
    rows = []
    for name, columns, out, tokens, bars in (("square", 1280, 1280, 1024, (1.9, 1.25)),
                                             ("text", 2048, 1280, 77, (4.0, 3.5))):
        for dtype, bar in zip(("fp32", "bf16"), bars):
            shape = dict(dtype=dtype, in_features=columns, out_features=out, tokens=tokens,
                         input_gradient=columns != 2048)  # the peer's rule: 2048 is the text's width
            what = "k/v " if columns == 2048 else ""
            rows.append(Row(f"layer_{name}_{dtype}",
                            f"layer, PEFT DoRA / own DoRA, {what}{columns}→{out}, {tokens} tokens, {dtype}",
                            f"layer {name} {dtype}", subject("peer", "layer", "dora", **shape),
                            subject("own", "layer", "dora", **shape), bar))
    return rows


def other_rows():
    def tiny(side, what, variant):
        return subject(side, what, variant, preset="tiny", dtype="fp32")
    return [
        Row("tiny_sample_pair", "sampling step, own un-merged DoRA / own merged, tiny fp32", "sample",
            tiny("own", "sample", "dora"), tiny("own", "sample", "merged"), 1.08, False),
        Row("tiny_sample", "sampling step, diffusers merged / own merged, tiny fp32", "sample",
            tiny("peer", "sample", "merged"), tiny("own", "sample", "merged"), 1.5),
        Row("tiny_sample_dora", "sampling step, PEFT DoRA / own DoRA, tiny fp32", "sample",
            tiny("peer", "sample", "dora"), tiny("own", "sample", "dora")),
        Row("tiny_start", "cold start to the UNet's first output, diffusers / own, tiny fp32", "load",
            tiny("peer", "load", "none"), tiny("own", "load", "none"), 8.0),
        Row("tiny_merge", "merge and save, PEFT DoRA / own DoRA, tiny fp32", "merge", tiny("peer", "merge", "dora"),
            tiny("own", "merge", "dora"), warm=0),
    ]


ROWS = step_rows() + layer_rows() + other_rows()


# ---------------------------------------------------------------- workers

class Talk:
    """A process that answers a line of JSON to every line."""

    def __init__(self, words, **environment):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, env={**os.environ, **PEER_ENVIRONMENT, **environment})

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        result = json.loads(answer) if answer else {"error": "it ended"}
        if "error" in result:
            self.errors.seek(0)
            sys.exit(f"{self.process.args[0]} at '{line[:60]}': {result['error']}\n{self.errors.read()[-2000:]}")
        return result

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()


PEER_ENVIRONMENT = dict(OMP_NUM_THREADS=str(THREADS), PYTHONWARNINGS="ignore", DIFFUSERS_VERBOSITY="error",
                        HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")


def own_worker(of, folder):
    request = dict(of.options, what=of.what, threads=THREADS, device="cpu")
    if of.what in ("load", "merge"):
        request["pretrained_model_name_or_path"] = str(folder / "base")
    task = {"request": request, "variant": of.variant, "folder": str(folder)}
    return Talk([PROGRAM, "bench-worker", json.dumps(task)])


class OwnSide:
    def __init__(self, of, folder):
        self.of, self.folder = of, folder
        self.taken = Taken()
        if of.what in ("load", "merge") and not (folder / "base").exists():
            worker = own_worker(of, folder)
            worker.ask("write")
            worker.close()
        if of.what != "load":
            self.worker = own_worker(of, folder)
            self.worker.ask("build")

    def run(self):
        if self.of.what != "load":
            return self.worker.ask("run")["cpu"]
        self.worker = own_worker(self.of, self.folder)
        cpu = self.worker.ask("run")["process_cpu"]
        self.report()
        self.worker.close()
        return cpu

    def report(self):
        memory = self.worker.ask("report")
        self.taken.peak_mb = max(self.taken.peak_mb, memory["peak_mb"])
        self.taken.extra_mb = self.taken.peak_mb - memory["base_mb"]

    def close(self):
        if self.of.what == "load":
            return
        self.report()
        self.worker.close()


def layer_repeats(of):
    """About 40 ms a repetition, as the own layer has it."""
    flops = 4 * of.option("tokens") * of.option("in_features") * of.option("out_features")
    return max(1, int(0.04 * (1.5e11 if of.option("dtype") == "fp32" else 5e11) / flops))


class PeerSide:
    def __init__(self, of, folder):
        self.of, self.folder = of, folder
        self.taken = Taken()
        if of.what not in ("step", "sample", "layer"):
            return
        options = dict(what=of.what, variant=of.variant, dtype=of.option("dtype"), rank=16, batch=1, threads=THREADS)
        if of.what == "layer":
            options.update({"in": of.option("in_features"), "out": of.option("out_features")},
                           tokens=of.option("tokens"), inner=layer_repeats(of))
        else:
            options.update(preset=of.option("preset"), latent=32, cross_dim=2048, steps=4, vae=False,
                           checkpoint=of.option("gradient_checkpointing", False))
        self.worker = Talk([sys.executable, str(PEER), "_worker", json.dumps({"threads": THREADS})])
        self.worker.ask("build " + json.dumps(options))

    def run(self):
        if self.of.what in ("step", "sample", "layer"):
            return self.worker.ask("rep")["cpu"]
        words = [sys.executable, str(PEER), self.of.what, "--preset", self.of.option("preset"), "--dtype",
                 self.of.option("dtype"), "--threads", str(THREADS), "--rounds", "1", "--scratch", str(self.folder),
                 "--keep"]
        if self.of.what == "merge":
            words += ["--safe", "1", "--variants", self.of.variant]
        done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ, **PEER_ENVIRONMENT))
        if done.returncode != 0:
            sys.exit(done.stderr[-2000:])
        line = json.loads(done.stdout.splitlines()[-1])  # of a load: with a warm cache
        self.taken.peak_mb = max(self.taken.peak_mb, line["peak_mb"])
        return line["cpu"] if self.of.what == "load" else line["cpu_min"]

    def close(self):
        if self.of.what not in ("step", "sample", "layer"):
            return
        memory = self.worker.ask("report")
        self.taken.peak_mb, self.taken.extra_mb = memory["peak_mb"], memory["extra_mb"]
        self.worker.close()


def measure(rows, rounds):
    """{subject: Taken} of one group."""
    subjects = list(dict.fromkeys(s for row in rows for s in (row.below, row.above)))
    folder = Path(tempfile.mkdtemp(prefix="bench-against-peer-"))
    try:
        sides = [(OwnSide if s.side == "own" else PeerSide)(s, folder) for s in subjects]
        warm = max(row.warm for row in rows)
        for turn in range(warm + rounds):
            for side in sides if turn % 2 == 0 else reversed(sides):
                if turn < warm and side.of.what in ("load", "merge") and turn > 0:
                    continue
                cpu = side.run()
                if turn >= warm:
                    side.taken.cpu.append(cpu)
            print(f"  {'warm-up' if turn < warm else 'round'} {turn + 1} of {warm + rounds}", file=sys.stderr)
        for side in sides:
            side.close()
        return {side.of: side.taken for side in sides}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# ---------------------------------------------------------------- results and table

def machine():
    """CPU name and the instruction sets that decide these figures."""
    name, flags = "unknown", []
    with open("/proc/cpuinfo") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() == "flags":
                flags = value.split()
                break
    kinds = {kind: [f for f in flags if f.startswith(kind)] for kind in ("avx512", "amx")}
    return name + "; " + "; ".join(" ".join(found) if found else "no " + kind for kind, found in kinds.items())


def versions(packages=("torch", "diffusers", "peft")):
    own = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    peers = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    return ", ".join([own] + peers)


def result_of(row, taken, rounds):
    above, below = taken[row.above], taken[row.below]
    if row.quantity == "cpu":
        figures = [statistics.median(above.cpu), statistics.median(below.cpu)]
        ratio = statistics.median(a / b for a, b in zip(above.cpu, below.cpu))
    else:
        figures = [getattr(above, row.quantity), getattr(below, row.quantity)]
        ratio = figures[0] / figures[1]
    return {"row": row.name, "above": figures[0], "below": figures[1], "ratio": ratio, "rounds": rounds,
            "machine": machine(), "versions": versions(), "threads": THREADS,
            "cpu_above": above.cpu, "cpu_below": below.cpu, "date": time.strftime("%Y-%m-%d")}


def figure(row, value):
    if row.quantity != "cpu":
        return f"{value:.0f} MB"
    return f"{value:.3f} s" if value >= 0.1 else f"{1000 * value:.2f} ms"


def table():
    found = {}
    for row in ROWS:
        path = RESULTS / (row.name + ".json")
        if path.exists():
            found[row.name] = json.loads(path.read_text())
    if not found:
        sys.exit(f"{RESULTS}: no results")
    for key in ("machine", "versions", "threads"):
        print(f"{key}: " + "; or: ".join(sorted({str(one[key]) for one in found.values()})))
    print("processor time: median over the rounds, ratios within a round; memory: peak of resident pages")
    print()
    print("| measure | bar | own | compared with | ratio | met | rounds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in ROWS:
        if row.name not in found:
            continue
        one = found[row.name]
        above, below = figure(row, one["above"]), figure(row, one["below"])
        # A ratio of two own figures has the larger thing above, a speed-up the peer's.
        own, other = (below, above) if row.above.side == "peer" else (above, below)
        bar, met = "", ""
        if row.bar is not None:
            bar = ("≥ " if row.least else "≤ ") + f"{row.bar:g}"
            met = "yes" if (one["ratio"] >= row.bar if row.least else one["ratio"] <= row.bar) else "**no**"
        print(f"| {row.label} | {bar} | {own} | {other} | {one['ratio']:.2f} | {met} | {one['rounds']} |")


def chosen(words, rounds):
    """Rows by name with their rounds."""
    if not words:
        return {row.name: rounds for row in ROWS}
    picked = {}
    for word in words:
        pattern, _, own_rounds = word.partition("=")
        names = [row.name for row in ROWS if fnmatch.fnmatch(row.name, pattern)]
        if not names:
            sys.exit(f"no row is named {pattern}; there are: " + " ".join(row.name for row in ROWS))
        picked.update({name: int(own_rounds or rounds) for name in names})
    return picked


def main():
    words = sys.argv[1:]
    if words == ["--table"]:
        return table()
    if words == ["--list"]:
        for row in ROWS:
            print(f"{row.name:20} {row.label}")
        return None
    picked = chosen(words[1:], int(words[0]) if words else 5)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for group in dict.fromkeys(row.group for row in ROWS if row.name in picked):
        rows = [row for row in ROWS if row.group == group and row.name in picked]
        rounds = max(picked[row.name] for row in rows)
        print(f"{group}: {', '.join(row.name for row in rows)}", file=sys.stderr)
        taken = measure(rows, rounds)
        for row in rows:
            (RESULTS / (row.name + ".json")).write_text(json.dumps(result_of(row, taken, rounds), indent=1) + "\n")
    return table()


if __name__ == "__main__":
    main()
