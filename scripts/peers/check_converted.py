"""Merges a converted adapter with the package that it was written for, and compares the weights.

usage: check_converted.py READER BASE ADAPTER EXPECTED
READER is diffusers (load_lora_weights and fuse_lora), peft (a folder of folders, merge_and_unload) or
lycoris (its modules' own merge; kohya's names with diffusers' block names). BASE is a diffusers folder;
EXPECTED a safetensors file with the merged weight of each module by its full name
("text_encoder.text_model.….q_proj"). Exit status 0 if all are equal, 1 if not, 77 if a Python package
is missing.
"""

import sys
from pathlib import Path

COMPONENTS = ("unet", "text_encoder", "text_encoder_2")
KOHYA_PREFIXES = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
TOLERANCE = 2e-6


def full_name(component, name):
    # Newer versions of transformers have flattened CLIPTextModel.
    if component != "unet" and not name.startswith("text_model."):
        name = "text_model." + name
    return f"{component}.{name}"


def merge_diffusers(pipeline, adapter):
    pipeline.load_lora_weights(adapter)
    pipeline.fuse_lora(components=["unet", "text_encoder", "text_encoder_2"])
    pipeline.unload_lora_weights()


def merge_peft(pipeline, adapter):
    from peft import PeftModel

    for component in COMPONENTS:
        folder = Path(adapter) / component
        if folder.exists():
            model = PeftModel.from_pretrained(getattr(pipeline, component), str(folder))
            setattr(pipeline, component, model.merge_and_unload())


def merge_lycoris(pipeline, adapter):
    from lycoris.modules import get_module, make_module
    from safetensors.torch import load_file

    tensors = load_file(adapter)
    for component in COMPONENTS:
        for name, module in getattr(pipeline, component).named_modules():
            path = full_name(component, name).split(".", 1)[1]
            kohya = KOHYA_PREFIXES[component] + path.replace(".", "_")
            kind, parameters = get_module(tensors, kohya)
            if kind is not None:
                make_module(kind, parameters, kohya, module).merge_to(1.0)


MERGERS = {"diffusers": merge_diffusers, "peft": merge_peft, "lycoris": merge_lycoris}


def check(reader, base, adapter, expected_path):
    from diffusers import StableDiffusionXLPipeline
    from safetensors.torch import load_file

    expected = load_file(expected_path)
    pipeline = StableDiffusionXLPipeline.from_pretrained(base)
    MERGERS[reader](pipeline, adapter)
    faults = []
    for component in COMPONENTS:
        for name, module in getattr(pipeline, component).named_modules():
            want = expected.pop(full_name(component, name), None)
            if want is None:
                continue
            worst = (module.weight.detach().float() - want).abs().max().item()
            largest = want.abs().max().item()
            if not worst <= TOLERANCE * largest:
                faults.append(f"{full_name(component, name)} differs by {worst}, largest value {largest}")
    faults += [f"{name} is not in the model" for name in expected]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in MERGERS:
        print(__doc__)
        return 2
    try:
        import diffusers  # noqa: F401
        import peft  # noqa: F401
        import torch
        import transformers  # noqa: F401
        if sys.argv[1] == "lycoris":
            import lycoris  # noqa: F401
    except ImportError as error:
        print(error)
        return 77
    torch.set_num_threads(1)
    return check(*sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
