"""Draws pictures of `dorabooth sample` again with diffusers' StableDiffusionXLPipeline, from the
request in their text chunks, and compares the pixels.

usage: check_sample.py PICTURE…
Exit status 0 if every pixel is within 2 of 255, 1 if not, 77 if a Python package is missing.
"""

import json
import sys

TOLERANCE = 2


def strength_of(argument):
    path, colon, text = argument.rpartition(":")
    try:
        return float(text) if colon else 1.0
    except ValueError:
        return 1.0


def scheduler_of(pipeline, told):
    import diffusers

    request = told["request"]
    settings = {
        key: request[key]
        for key in ("use_karras_sigmas", "timestep_spacing")
        if request[key] is not None
    }
    algorithm = {
        "dpmpp_2m": "dpmsolver++",
        "dpmpp_2m_sde": "sde-dpmsolver++",
        "dpmpp_sde": "sde-dpmsolver++",
    }.get(request["scheduler"])
    if algorithm:
        settings["algorithm_type"] = algorithm
    return getattr(diffusers, told["sampler"]).from_config(pipeline.scheduler.config, **settings)


def attach(pipeline, told):
    arguments = told["request"]["adapter_path"]
    names = [f"adapter_{i}" for i in range(len(arguments))]
    for name, adapter in zip(names, told["adapters"]):
        pipeline.load_lora_weights(adapter["file"], adapter_name=name)
    if names:
        pipeline.set_adapters(names, [strength_of(argument) for argument in arguments])


def draw(told):
    import torch
    from diffusers import StableDiffusionXLPipeline

    request = told["request"]
    pipeline = StableDiffusionXLPipeline.from_pretrained(request["pretrained_model_name_or_path"])
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = scheduler_of(pipeline, told)
    attach(pipeline, told)
    options = {
        key: tuple(request[key])
        for key in ("original_size", "crops_coords_top_left", "target_size")
        if request[key]
    }
    images = pipeline(
        prompt=request["prompt"][0],
        negative_prompt=request["negative_prompt"],
        height=request["height"],
        width=request["width"],
        num_inference_steps=request["num_inference_steps"],
        guidance_scale=request["guidance_scale"],
        guidance_rescale=request["guidance_rescale"],
        num_images_per_prompt=request["num_images_per_prompt"],
        eta=request["eta"],
        generator=torch.Generator("cpu").manual_seed(request["seed"][0]),
        **options,
    ).images
    return images[request["image_index"] or 0]


def largest_difference(path):
    import numpy
    from PIL import Image

    picture = Image.open(path)
    reference = numpy.asarray(draw(json.loads(picture.text["dorabooth"])).convert("RGB"))
    return numpy.abs(numpy.asarray(picture).astype(int) - reference.astype(int)).max()


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    try:
        import diffusers  # noqa: F401
        import numpy  # noqa: F401
        import peft  # noqa: F401
        import PIL  # noqa: F401
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        print(error)
        return 77
    torch.set_num_threads(1)
    status = 0
    for path in sys.argv[1:]:
        worst = largest_difference(path)
        print(f"{path}: pixels within {worst}")
        if worst > TOLERANCE:
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
