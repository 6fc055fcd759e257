"""Writes an adapter with LyCORIS' own modules over a UNet, and what LyCORIS merges it to.

usage: make_lycoris.py ALGORITHM BASE ADAPTER EXPECTED
ALGORITHM is locon, loha, lokr, lokr-full, full or norm; with "+tucker" the convolutions' factors are in
Tucker form, with "+dora" or "+dora-input" every weight has magnitudes by rows or by columns. BASE is a
diffusers folder. ADAPTER gets LyCORIS' state dict under kohya's names, EXPECTED every changed parameter by
its full name ("unet.conv_in.weight"). Exit status 0, or 77 if a Python package is missing.
"""

import sys

RANK = 2
ALPHA = 3.0
# A matrix, a wide one, convolutions with windows and without, resampling.
PARTS = ("attn1.to_q", "ff.net.2", "conv1", "conv_shortcut", "downsamplers.0.conv", "time_emb_proj", "conv_in")
NORMS = ("norm1", "norm2", "conv_norm_out")


def module_for(algorithm, options, name, layer):
    from lycoris.modules.full import FullModule
    from lycoris.modules.locon import LoConModule
    from lycoris.modules.loha import LohaModule
    from lycoris.modules.lokr import LokrModule
    from lycoris.modules.norms import NormModule

    if algorithm == "norm":
        return NormModule(name, layer, 1.0)
    if algorithm == "full":
        return FullModule(name, layer, 1.0)
    kind = {"locon": LoConModule, "loha": LohaModule, "lokr": LokrModule, "lokr-full": LokrModule}[algorithm]
    more = {"full_matrix": algorithm == "lokr-full", "decompose_both": True} if kind is LokrModule else {}
    if any(option.startswith("dora") for option in options):
        more |= {"weight_decompose": True, "wd_on_out": "dora" in options}
    return kind(name, layer, 1.0, RANK, ALPHA, use_tucker="tucker" in options, **more)


def randomize(module):
    import torch

    for name, parameter in module.named_parameters():
        if name == "dora_scale":
            parameter.data *= 0.8 + 0.4 * torch.rand_like(parameter)
        elif name in ("weight", "bias"):
            parameter.data += 0.05 * torch.randn_like(parameter)
        else:
            parameter.data = 0.3 * torch.randn_like(parameter)


def merge(algorithm, module, layer):
    if algorithm == "full":
        layer.weight, layer.bias = module.weight, module.bias
        return
    if not algorithm.startswith(("loha", "lokr")):
        module.merge_to(1.0)
        return
    # LyCORIS 4.1.3 counts alpha/rank twice when it merges these (get_weight and get_diff_weight both do). What
    # it trained, its forward, counts it once, as every other reader does.
    weight = layer.weight + module.get_weight(layer.weight.shape)
    if module.wd:
        weight = module.apply_weight_decompose(weight, 1.0)
    layer.weight.copy_(weight)


def make(algorithm, base, adapter, expected):
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file

    algorithm, *options = algorithm.split("+")
    torch.manual_seed(3)
    unet = UNet2DConditionModel.from_pretrained(base, subfolder="unet").float()
    tensors, merged = {}, {}
    endings = NORMS if algorithm == "norm" else PARTS
    for path, layer in list(unet.named_modules()):
        if not path.endswith(endings):
            continue
        name = "lora_unet_" + path.replace(".", "_")
        module = module_for(algorithm, options, name, layer)
        if algorithm == "full":
            module.apply_to()  # takes the layer's weight into the module
        randomize(module)
        tensors |= {f"{name}.{key}": value.detach().clone().contiguous() for key, value in module.state_dict().items()}
        with torch.no_grad():
            merge(algorithm, module, layer)
        for key in ("weight", "bias"):
            parameter = getattr(layer, key, None)
            if parameter is not None:
                merged[f"unet.{path}.{key}"] = parameter.detach().clone().contiguous()
    save_file(tensors, adapter)
    save_file(merged, expected)
    return 0


def main():
    if len(sys.argv) != 5:
        print(__doc__)
        return 2
    try:
        import diffusers  # noqa: F401
        import lycoris  # noqa: F401
        import torch
    except ImportError as error:
        print(error)
        return 77
    torch.set_num_threads(1)
    return make(*sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
