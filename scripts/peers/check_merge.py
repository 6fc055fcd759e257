"""Draws a picture of `dorabooth sample`, which was drawn with base and adapters, with a merged model
in diffusers and compares the pixels.

usage: check_merge.py MERGED CONFIG PICTURE
MERGED is a diffusers folder (from_pretrained) or a single file (from_single_file, with the component
configs of the folder CONFIG). The adapters in the picture's text chunk are left aside. Exit status 0
if every pixel is within 2 of 255, 1 if not, 77 if a Python package is missing.
"""

import json
import os
import sys

from check_sample import TOLERANCE, scheduler_of


def merged_pipeline(merged, config):
    from diffusers import StableDiffusionXLPipeline

    if os.path.isdir(merged):
        return StableDiffusionXLPipeline.from_pretrained(merged)
    # The file holds no tokenizers and its names leave out the numbers of a small model.
    return StableDiffusionXLPipeline.from_single_file(merged, config=config, local_files_only=True)


def draw(pipeline, told):
    import torch

    request = told["request"]
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = scheduler_of(pipeline, told)
    return pipeline(
        prompt=request["prompt"][0],
        negative_prompt=request["negative_prompt"],
        height=request["height"],
        width=request["width"],
        num_inference_steps=request["num_inference_steps"],
        guidance_scale=request["guidance_scale"],
        generator=torch.Generator("cpu").manual_seed(request["seed"][0]),
    ).images[0]


def largest_difference(merged, config, path):
    import numpy
    from PIL import Image

    picture = Image.open(path)
    told = json.loads(picture.text["dorabooth"])
    reference = numpy.asarray(draw(merged_pipeline(merged, config), told).convert("RGB"))
    return numpy.abs(numpy.asarray(picture).astype(int) - reference.astype(int)).max()


def main():
    if len(sys.argv) != 4:
        print(__doc__)
        return 2
    try:
        import diffusers  # noqa: F401
        import numpy  # noqa: F401
        import PIL  # noqa: F401
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        print(error)
        return 77
    torch.set_num_threads(1)
    worst = largest_difference(*sys.argv[1:])
    print(f"{sys.argv[1]}: pixels within {worst}")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
