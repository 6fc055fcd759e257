"""What scripts/full_size_check.sh compares with: diffusers and PEFT on the same base and adapter.

usage: full_size_peer.py merge BASE ADAPTER OUTPUT DTYPE RESULT
       full_size_peer.py start BASE DTYPE LATENT RESULT
merge: loads the pipeline, loads and fuses the adapter, saves the pipeline. start: loads the pipeline
and calls its UNet once. RESULT gets one line: wall seconds, processor seconds and the peak of resident
memory in MB; of a merge without the time of Python's imports, of a start from the start of the process.
"""

import os
import resource
import sys
import time

import torch
from diffusers import StableDiffusionXLPipeline


def used():
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


def write(path, wall, cpu):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with open(path, "w") as file:
        file.write(f"{wall:.3f} {cpu:.3f} {peak:.0f}\n")


def process_age():
    """Seconds since this process was started."""
    with open("/proc/self/stat") as file:
        ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def pipeline_of(base, dtype):
    return StableDiffusionXLPipeline.from_pretrained(base, torch_dtype=getattr(torch, dtype))


def merge(base, adapter, output, dtype, result):
    wall, cpu = time.perf_counter(), used()
    pipeline = pipeline_of(base, dtype)
    pipeline.load_lora_weights(adapter)
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    pipeline.save_pretrained(output, max_shard_size="20GB")
    write(result, time.perf_counter() - wall, used() - cpu)


def start(base, dtype, latent, result):
    pipeline = pipeline_of(base, dtype)
    dtype, latent = getattr(torch, dtype), int(latent)
    with torch.no_grad():
        output = pipeline.unet(
            torch.ones(1, 4, latent, latent, dtype=dtype), 500,
            torch.ones(1, 77, pipeline.unet.config.cross_attention_dim, dtype=dtype),
            added_cond_kwargs=dict(text_embeds=torch.ones(1, 1280, dtype=dtype),
                                   time_ids=torch.zeros(1, 6, dtype=dtype))).sample
        float(output.float().sum())
    write(result, process_age(), used())


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("merge", "start"):
        sys.exit(__doc__)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    globals()[sys.argv[1]](*sys.argv[2:])
