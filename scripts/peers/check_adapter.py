"""Loads an adapter file through diffusers' StableDiffusionXLPipeline.load_lora_weights and compares
the PEFT modules with the numbers they should have.

usage: check_adapter.py BASE ADAPTER EXPECTED
EXPECTED is a safetensors file with `<module>.delta` (scale * B @ A) and, for DoRA, `<module>.m`, by
the full name of each module ("text_encoder.text_model.….q_proj"). Exit status 0 if every module is
there with these numbers and no other is adapted, 1 if not, 77 if a Python package is missing.
"""

import sys

COMPONENTS = ("unet", "text_encoder", "text_encoder_2")
TOLERANCE = 1e-6


def full_name(component, name):
    # Newer versions of transformers have flattened CLIPTextModel.
    if component != "unet" and not name.startswith("text_model."):
        name = "text_model." + name
    return f"{component}.{name}"


def loaded_modules(pipeline):
    from peft.tuners.tuners_utils import BaseTunerLayer

    for component in COMPONENTS:
        for name, module in getattr(pipeline, component).named_modules():
            if isinstance(module, BaseTunerLayer):
                yield full_name(component, name), module


def difference(actual, expected):
    if actual.shape != expected.shape:
        return f"shape {tuple(actual.shape)}, want {tuple(expected.shape)}"
    largest = max(expected.abs().max().item(), 1e-30)
    worst = (actual - expected).abs().max().item()
    return "" if worst <= TOLERANCE * largest else f"differs by {worst}, largest value {largest}"


def check(base, adapter, expected_path):
    from diffusers import StableDiffusionXLPipeline
    from safetensors.torch import load_file

    expected = load_file(expected_path)
    pipeline = StableDiffusionXLPipeline.from_pretrained(base)
    pipeline.load_lora_weights(adapter)
    faults = []
    for name, module in loaded_modules(pipeline):
        (adapter_name,) = module.lora_A.keys()
        a = module.lora_A[adapter_name].weight
        b = module.lora_B[adapter_name].weight
        actual = {".delta": module.scaling[adapter_name] * (b @ a)}
        if adapter_name in module.lora_magnitude_vector:
            actual[".m"] = module.lora_magnitude_vector[adapter_name].weight
        for role, tensor in actual.items():
            if name + role not in expected:
                faults.append(f"{name}{role} was not written")
                continue
            fault = difference(tensor.detach().float(), expected.pop(name + role))
            if fault:
                faults.append(f"{name}{role}: {fault}")
    faults += [f"{name} was not loaded" for name in expected]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def main():
    if len(sys.argv) != 4:
        print(__doc__)
        return 2
    try:
        import diffusers  # noqa: F401
        import peft  # noqa: F401
        import safetensors  # noqa: F401
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        print(error)
        return 77
    torch.set_num_threads(1)
    return check(*sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
