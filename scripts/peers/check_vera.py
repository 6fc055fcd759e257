"""Loads a VeRA folder in PEFT over two given layers: check_vera.py FOLDER EXPECTED.safetensors.

EXPECTED holds to_q and to_k: weight, x, and y as they should be. Exit status 77: a package is missing.
"""
import sys

try:
    import torch
    from peft import PeftModel, VeraConfig, get_peft_model
    from safetensors.torch import load_file
except ImportError as error:
    print(error)
    sys.exit(77)


class Block(torch.nn.Module):
    def __init__(self, expected):
        super().__init__()
        for name in ("to_q", "to_k"):
            weight = expected[name + ".weight"]
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            layer.weight.data.copy_(weight)
            setattr(self, name, layer)


class Model(torch.nn.Module):
    def __init__(self, expected):
        super().__init__()
        self.block = Block(expected)


def main(folder, expected_path):
    expected = load_file(expected_path)
    loaded = PeftModel.from_pretrained(Model(expected), folder)
    for name in ("to_q", "to_k"):
        y = getattr(loaded.base_model.model.block, name)(expected[name + ".x"])
        off = (y - expected[name + ".y"]).abs().max() / expected[name + ".y"].abs().max()
        assert off < 1e-5, f"{name}: {off}"
    config = VeraConfig.from_pretrained(folder)
    drawn = get_peft_model(Model(expected), VeraConfig(
        r=config.r, projection_prng_key=config.projection_prng_key, target_modules=["to_q", "to_k"]))
    saved = load_file(folder + "/adapter_model.safetensors")
    for name in ("vera_A", "vera_B"):
        own = getattr(drawn.base_model, name)["default"]
        assert torch.equal(own, saved["base_model." + name]), f"{name} is not what PEFT draws"


main(*sys.argv[1:])
