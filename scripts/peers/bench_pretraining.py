#!/usr/bin/env python3
"""Rows of ../bench_pretraining.sh: what is measured, and the table.

In a round `dorabooth pretrain` runs once, from its start, and each form of the peer
(pretraining_peer.py, a worker that was built and warmed up before) goes on by as many steps; every
second round begins at the other end, so that noise falls on all alike. A side's figure of a round is
the median of its steps, wall time; a figure in the table is the median over rounds, a ratio (PyTorch /
dorabooth) the median over rounds of the ratio within one. In bf16 the peer has two forms, of which the
faster one counts. Both sides have the same number of threads, OMP_WAIT_POLICY=passive and the same
allocator.

The models are assets/base_config's with fresh weights. unet: 32 latents of 12x16x16, 32 prompts of
32 tokens through both text encoders, which train too, the error of the noise weighted by
min(1 + 1/snr, 15). vae: 8 pictures of 128x128 there and back, with pretrain's default losses. Both:
backward, clipping at 1, AdamW, an average of the weights. Steps here tokenize their captions and make
floats of their pictures' bytes; the peer's find both ready.
"""
import argparse
import fnmatch
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

from bench_against_peer import PROGRAM, ROOT, Talk, machine, versions

PEER = Path(__file__).resolve().parent / "pretraining_peer.py"
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Row:
    name: str
    label: str
    stage: str
    batch: int
    mixed_precision: str
    forms: tuple  # of the peer


ROWS = [
    Row("unet_fp32", "UNet and text encoders, batch 32, fp32", "unet", 32, "no", ("fp32",)),
    Row("unet_bf16", "UNet and text encoders, batch 32, bf16", "unet", 32, "bf16", ("autocast", "bf16")),
    Row("vae_fp32", "VAE, batch 8, fp32", "vae", 8, "no", ("fp32",)),
    Row("vae_bf16", "VAE, batch 8, bf16", "vae", 8, "bf16", ("autocast", "bf16")),
]
FORM_NAMES = {"fp32": "fp32", "autocast": "autocast", "bf16": "bf16 parameters, fp32 masters"}


@dataclass
class Taken:
    """Medians of a step, one a round."""
    seconds: list = field(default_factory=list)
    cpu: list = field(default_factory=list)

    def figure(self):
        return statistics.median(self.seconds)


# ---------------------------------------------------------------- the own side

def pretrain(stage, config_dir, output, threads, **options):
    """The command of a run, started, with its words to stderr in `output`.log."""
    flags = dict(options, stage=stage, config_dir=config_dir, output_dir=output, resolution=128,
                 instance_data_dir=ROOT / "assets/pictures/train", lr_scheduler="constant")
    words = [PROGRAM, "pretrain"]
    for name, value in flags.items():
        words += [f"--{name}", str(value)]
    with open(f"{output}.log", "w") as log:
        return subprocess.Popen(words, stdout=log, stderr=log, env=dict(os.environ, OMP_NUM_THREADS=str(threads)))


def require_success(process, output):
    if process.wait() != 0:
        sys.exit(f"{' '.join(process.args)}: exit status {process.returncode}\n"
                 + Path(f"{output}.log").read_text()[-2000:])


def prepare(folder, threads):
    """A base without weights that has tokenizers, and an autoencoder of one step."""
    shutil.copytree(ROOT / "assets/base_config", folder / "config")
    for name in ("tokenizer", "tokenizer_2"):
        shutil.copytree(ROOT / "assets/base" / name, folder / "config" / name)
    vae = folder / "vae_of_one_step"
    require_success(pretrain("vae", folder / "config", vae, threads, max_train_steps=1, train_batch_size=threads),
                    vae)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class OwnSide:
    def __init__(self, row, folder, options):
        self.row, self.folder, self.options = row, folder, options
        self.taken = Taken()

    def flags(self):
        flags = dict(mixed_precision=self.row.mixed_precision, train_batch_size=self.row.batch,
                     max_train_steps=self.options.warm + self.options.steps)
        if self.row.stage == "vae":
            return dict(flags, latent_noise=0.1)
        return dict(flags, pretrained_vae_model_name_or_path=self.folder / "vae_of_one_step",
                    loss_weighting="velocity", loss_weight_limit=15)

    def run(self):
        output = self.folder / "run"
        process = pretrain(self.row.stage, self.folder / "config", output, self.options.threads, **self.flags())
        cpu = self.watch(process, output / "metrics.jsonl")
        require_success(process, output)
        lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
        shutil.rmtree(output)
        self.taken.seconds.append(statistics.median(line["seconds"] for line in lines[self.options.warm:]))
        self.taken.cpu.append(cpu)

    def watch(self, process, metrics):
        """Processor time of a measured step: between the lines of the last warm and the last one."""
        first, last = self.options.warm, self.options.warm + self.options.steps
        at = {}
        while True:
            cpu = cpu_seconds(process.pid)  # the process stays readable until poll()
            done = metrics.read_bytes().count(b"\n") if metrics.exists() else 0
            for steps in (first, last):
                if done >= steps:
                    at.setdefault(steps, cpu)
            if process.poll() is not None or last in at:
                return (at.get(last, cpu) - at.get(first, cpu)) / self.options.steps
            time.sleep(POLL_SECONDS)

    def close(self):
        pass


# ---------------------------------------------------------------- the peer

def allocator():
    """The library that the program takes its memory from, or "" for the C library."""
    listed = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True).stdout
    return next((line.split()[2] for line in listed.splitlines() if "tcmalloc" in line), "")


class PeerSide:
    def __init__(self, row, folder, options, form, compiled):
        self.options = options
        self.form = form
        self.name = FORM_NAMES[form] + (", torch.compile" if compiled else "")
        self.taken = Taken()
        task = dict(stage=row.stage, form=form, batch=row.batch, config_dir=str(folder / "config"),
                    threads=options.threads, compile=compiled)
        environment = dict(OMP_NUM_THREADS=str(options.threads))
        if allocator():
            environment["LD_PRELOAD"] = allocator()
        self.worker = Talk([sys.executable, str(PEER), json.dumps(task)], **environment)
        self.chosen = self.worker.ask("build")
        self.left_out = self.chosen.get("left_out", "")
        if not self.left_out:
            self.worker.ask(f"run {options.warm}")

    def run(self):
        answer = self.worker.ask(f"run {self.options.steps}")
        self.taken.seconds.append(statistics.median(answer["seconds"]))
        self.taken.cpu.append(statistics.mean(answer["cpu"]))

    def note(self):
        if self.left_out:
            return f"left out, {self.left_out}"
        chosen = ", ".join(f"{key} {value}" for key, value in self.chosen.items())
        return f"{self.taken.figure():.3f} s ({chosen})"

    def close(self):
        self.worker.close()


# ---------------------------------------------------------------- rounds and table

@dataclass
class Result:
    row: Row
    own: OwnSide
    peers: list

    def best(self):
        return min((peer for peer in self.peers if not peer.left_out), key=lambda peer: peer.taken.figure())

    def ratio(self):
        return statistics.median(
            peer / own for peer, own in zip(self.best().taken.seconds, self.own.taken.seconds))


def measure(row, folder, options):
    own = OwnSide(row, folder, options)
    peers = [PeerSide(row, folder, options, form, compiled)
             for form in row.forms for compiled in ([False, True] if options.compile else [False])]
    sides = [own] + [peer for peer in peers if not peer.left_out]
    for turn in range(options.rounds):
        for side in sides if turn % 2 == 0 else reversed(sides):
            side.run()
        seconds = ", ".join(f"{side.taken.seconds[-1]:.3f}" for side in sides)
        print(f"  {row.name}, round {turn + 1} of {options.rounds}: {seconds} s a step", file=sys.stderr)
    for side in [own] + peers:
        side.close()
    return Result(row, own, peers)


def table(results, options):
    print(f"machine: {machine()}")
    print(f"versions: {versions(('torch', 'diffusers', 'transformers'))}")
    print(f"threads: {options.threads} on each side, OMP_WAIT_POLICY={os.environ.get('OMP_WAIT_POLICY', '')}; "
          f"allocator of both: {Path(allocator()).name or 'the C library'}")
    print(f"rounds: {options.rounds} of {options.steps} steps")
    if not options.compile:
        print("torch.compile: left out (--compile measures it)")
    print()
    print("| training step | dorabooth | PyTorch | ratio | processor time, dorabooth | PyTorch | PyTorch's form |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for result in results:
        own, best = result.own.taken, result.best()
        print(f"| {result.row.label} | {own.figure():.3f} s | {best.taken.figure():.3f} s | {result.ratio():.2f} | "
              f"{statistics.median(own.cpu):.3f} s | {statistics.median(best.taken.cpu):.3f} s | {best.name} |")
    print()
    for result in results:
        for peer in result.peers:
            print(f"{result.row.name}, PyTorch {peer.name}: {peer.note()}")


def parse_options():
    parser = argparse.ArgumentParser(prog="bench_pretraining.sh PYTHON")
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("rows", nargs="*", metavar="row")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warm", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_intermixed_args()
    for name in ("rounds", "steps", "warm", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"{name}: want at least 1, got {getattr(options, name)}")
    for pattern in options.rows:
        if not any(fnmatch.fnmatch(row.name, pattern) for row in ROWS):
            parser.error(f"no row is named {pattern}; there are: " + " ".join(row.name for row in ROWS))
    options.rows = [row for row in ROWS
                    if not options.rows or any(fnmatch.fnmatch(row.name, pattern) for pattern in options.rows)]
    return options


def main():
    options = parse_options()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    folder = Path(tempfile.mkdtemp(prefix="bench-pretraining-"))
    try:
        prepare(folder, options.threads)
        results = [measure(row, folder, options) for row in options.rows]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table(results, options)
    slower = [result.row.name for result in results if result.ratio() < 1.0]
    if options.check and slower:
        sys.exit(f"PyTorch is faster: {', '.join(slower)}")


if __name__ == "__main__":
    main()
