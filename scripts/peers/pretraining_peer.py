#!/usr/bin/env python3
"""The peer of ../bench_pretraining.sh: a training step of assets/base_config in PyTorch.

    pretraining_peer.py '{"stage": "unet", "form": "autocast", "config_dir": ..., "threads": 2, ...}'

A worker that answers every line of stdin with a line of JSON: `build`, which says what was chosen or
why the peer is left out, and `run STEPS`. The step is the one of `dorabooth pretrain`, its loss, its
AdamW and its average; what PyTorch offers in more than one way (memory layout, AdamW, average) is timed
on this model while it is built, and the fastest stays. Forms:
    fp32       plain
    autocast   fp32 parameters under torch.autocast in bf16
    bf16       bf16 parameters beside fp32 masters, which the optimizer and the average see
"""
import contextlib
import io
import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

POOL = 24  # examples that batches are drawn from
LEARNING_RATE, BETAS, WEIGHT_DECAY, EPSILON = 1e-3, (0.9, 0.99), 1e-2, 1e-8
MAX_GRAD_NORM = 1.0
EMA_DECAY = 0.999
LOSS_WEIGHT_LIMIT = 15.0
LATENT_NOISE = 0.1
LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


# ---------------------------------------------------------------- stages

class Stage:
    """Models, a pool of examples and the loss of a batch; `run` is the models as they are called."""

    def __init__(self, task):
        self.rows = task["batch"]
        self.dtype = torch.bfloat16 if task["form"] == "bf16" else torch.float32
        self.autocast = task["form"] == "autocast"
        self.layout = torch.contiguous_format
        self.models = torch.nn.ModuleDict(self.make(Path(task["config_dir"]))).train().to(self.dtype)
        self.run = {}
        self.bind(lambda function: function)

    def arithmetic(self):
        return torch.autocast("cpu", torch.bfloat16) if self.autocast else contextlib.nullcontext()

    def use_layout(self, layout):
        self.layout = layout
        self.models.to(memory_format=layout)

    def laid_out(self, batch):
        return batch.contiguous(memory_format=self.layout)


class UNetStage(Stage):
    def make(self, folder):
        from diffusers import DDPMScheduler, UNet2DConditionModel
        from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder / "unet"))
        first = CLIPTextConfig.from_pretrained(folder / "text_encoder")
        second = CLIPTextConfig.from_pretrained(folder / "text_encoder_2")
        self.scheduler = DDPMScheduler.from_config(DDPMScheduler.load_config(folder / "scheduler"))
        self.alphas = self.scheduler.alphas_cumprod
        side = unet.config.sample_size
        self.latents = torch.randn(POOL, unet.config.in_channels, side, side)
        self.ids = [prompts(config) for config in (first, second)]
        self.time_ids = torch.tensor([[8.0 * side, 8.0 * side, 0.0, 0.0, 8.0 * side, 8.0 * side]] * self.rows)
        return {"unet": unet, "text_encoder": CLIPTextModel(first),
                "text_encoder_2": CLIPTextModelWithProjection(second)}

    def bind(self, wrap):
        self.run = {name: wrap(model) for name, model in self.models.items()}

    def loss(self):
        picked = torch.randint(POOL, (self.rows,))
        latents = self.laid_out(self.latents[picked])
        noise = torch.randn_like(latents)
        timesteps = torch.randint(self.scheduler.config.num_train_timesteps, (self.rows,))
        noisy = self.scheduler.add_noise(latents, noise, timesteps).to(self.dtype)
        with self.arithmetic():
            first = self.run["text_encoder"](self.ids[0][picked], output_hidden_states=True)
            second = self.run["text_encoder_2"](self.ids[1][picked], output_hidden_states=True)
            prompt = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1)
            added = {"text_embeds": second.text_embeds, "time_ids": self.time_ids}
            predicted = self.run["unet"](noisy, timesteps, prompt, added_cond_kwargs=added).sample
        errors = (predicted.float() - noise).square().flatten(1).mean(1)
        alphas = self.alphas[timesteps]
        weights = (1 + (1 - alphas) / alphas).clamp(max=LOSS_WEIGHT_LIMIT)
        return (errors * weights).mean()


def prompts(config):
    """[POOL, positions] token ids: beginning, four to eleven pieces, end, padding."""
    ids = torch.full((POOL, config.max_position_embeddings), config.pad_token_id)
    for row in range(POOL):
        pieces = 4 + row % 8
        ids[row, 0] = config.bos_token_id
        ids[row, 1:1 + pieces] = torch.randint(2, config.bos_token_id, (pieces,))
        ids[row, 1 + pieces] = config.eos_token_id
    return ids


class VaeStage(Stage):
    def make(self, folder):
        from diffusers import AutoencoderKL
        vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder / "vae"))
        side = vae.config.sample_size
        coarse = torch.rand(POOL, 3, side // 8, side // 8)
        self.pictures = F.interpolate(coarse, scale_factor=8, mode="bilinear") * 2 - 1
        return {"vae": vae}

    def bind(self, wrap):
        vae = self.models["vae"]
        self.run = {"encode": wrap(vae.encode), "decode": wrap(vae.decode)}

    def loss(self):
        pictures = self.laid_out(self.pictures[torch.randint(POOL, (self.rows,))])
        with self.arithmetic():
            mean = self.run["encode"](pictures.to(self.dtype)).latent_dist.mean
        mean = mean.float()
        latents = mean + LATENT_NOISE * torch.randn_like(mean)
        with self.arithmetic():
            made = self.run["decode"](latents.to(self.dtype)).sample
        return reconstruction_loss(made.float() - pictures) + 0.1 * covariance_error(mean)


def reconstruction_loss(d):
    """src/objective/autoencoder_loss.cpp with pretrain's default scales; those of 0 are left out."""
    by_picture = d.square().flatten(1).mean(1)
    gradient = (d[..., 1:] - d[..., :-1]).abs().mean() + (d[:, :, 1:] - d[:, :, :-1]).abs().mean()
    red, green, blue = F.avg_pool2d(d, 2).unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = (red - luma).abs().mean() + (blue - luma).abs().mean()
    return (0.5 * d.abs().mean() + 0.05 * (by_picture + 1e-5).log().mean() + 0.5 * gradient
            + 0.25 * F.avg_pool2d(d, 4).abs().mean() + 0.25 * chroma)


def covariance_error(mean):
    places = mean.permute(0, 2, 3, 1).reshape(-1, mean.shape[1])
    centre = places.mean(0)
    centred = places - centre
    covariance = centred.t() @ centred / places.shape[0]
    return (covariance - torch.eye(mean.shape[1])).square().mean() + centre.square().mean()


STAGES = {"unet": UNetStage, "vae": VaeStage}


# ---------------------------------------------------------------- optimizer and average

def adamw(parameters, learning_rate, **kind):
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": WEIGHT_DECAY},
              {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=BETAS, eps=EPSILON, **kind)


OPTIMIZERS = {"foreach": {"foreach": True}, "fused": {"fused": True}}


class LerpAverage:
    def __init__(self, parameters):
        self.averages = [p.detach().clone() for p in parameters]
        self.steps = 0

    @torch.no_grad()
    def step(self, parameters):
        self.steps += 1
        decay = min(EMA_DECAY, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.averages, parameters, 1 - decay)


def ema_model(parameters):
    from diffusers.training_utils import EMAModel
    return EMAModel(parameters, decay=EMA_DECAY, foreach=True)


AVERAGES = {"_foreach_lerp_": LerpAverage, "EMAModel(foreach)": ema_model}


# ---------------------------------------------------------------- the trainer

def fastest(choices, repeats):
    """The name among {name: function} whose best of `repeats` calls, after one, is the shortest."""
    best = {name: float("inf") for name in choices}
    for turn in range(1 + repeats):
        for name, function in choices.items():
            began = time.perf_counter()
            function()
            if turn > 0:
                best[name] = min(best[name], time.perf_counter() - began)
    return min(best, key=best.get)


class Trainer:
    def __init__(self, task):
        torch.set_num_threads(task["threads"])
        torch.manual_seed(0)
        self.stage = STAGES[task["stage"]](task)
        self.parameters = list(self.stage.models.parameters())
        self.chosen = {"layout": fastest({name: lambda layout=layout: self.try_layout(layout)
                                          for name, layout in LAYOUTS.items()}, 3)}
        self.try_layout(LAYOUTS[self.chosen["layout"]])
        self.masters = self.parameters
        if self.stage.dtype != torch.float32:
            self.masters = [p.detach().float().requires_grad_() for p in self.parameters]
        self.hand_over_gradients()
        self.choose_updates()
        self.forget_gradients()

    def compile(self):
        """What keeps torch.compile from a step of this model, or ""."""
        self.stage.bind(torch.compile)
        try:
            self.step()
        except Exception as error:
            return f"{type(error).__name__}: {error}".splitlines()[0]
        return ""

    def try_layout(self, layout):
        """A forward and backward pass, which leaves its gradients in this layout."""
        self.forget_gradients()
        self.stage.use_layout(layout)
        self.stage.loss().backward()

    def choose_updates(self):
        optimizers = {name: adamw(self.masters, 0.0, **kind) for name, kind in OPTIMIZERS.items()}
        self.chosen["AdamW"] = fastest({name: one.step for name, one in optimizers.items()}, 3)
        self.optimizer = adamw(self.masters, LEARNING_RATE, **OPTIMIZERS[self.chosen["AdamW"]])
        averages = {name: make(self.masters) for name, make in AVERAGES.items()}
        self.chosen["average"] = fastest({name: lambda one=one: one.step(self.masters)
                                          for name, one in averages.items()}, 3)
        self.average = averages[self.chosen["average"]]

    def forget_gradients(self):
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def hand_over_gradients(self):
        if self.masters is self.parameters:
            return
        pairs = [(m, p) for m, p in zip(self.masters, self.parameters) if p.grad is not None]
        for master, _ in pairs:
            if master.grad is None:
                master.grad = torch.empty_like(master)
        torch._foreach_copy_([m.grad for m, _ in pairs], [p.grad for _, p in pairs])

    @torch.no_grad()
    def hand_back_weights(self):
        if self.masters is not self.parameters:
            torch._foreach_copy_(self.parameters, self.masters)

    def step(self):
        loss = self.stage.loss()
        loss.backward()
        self.hand_over_gradients()
        torch.nn.utils.clip_grad_norm_(self.masters, MAX_GRAD_NORM, foreach=True)
        self.optimizer.step()
        self.average.step(self.masters)
        self.hand_back_weights()
        self.forget_gradients()
        return loss.item()

    def timed_steps(self, count):
        result = {"seconds": [], "cpu": [], "loss": []}
        for _ in range(count):
            began, cpu = time.perf_counter(), time.process_time()
            result["loss"].append(self.step())
            result["seconds"].append(time.perf_counter() - began)
            result["cpu"].append(time.process_time() - cpu)
        return result


def answer(state, task, words):
    if words[0] == "build":
        state["trainer"] = Trainer(task)
        failure = state["trainer"].compile() if task["compile"] else ""
        return {"left_out": failure} if failure else state["trainer"].chosen
    if words[0] == "run":
        return state["trainer"].timed_steps(int(words[1]))
    return {"error": f"no such request: {words[0]}"}


def main():
    task, state = json.loads(sys.argv[1]), {}
    out = sys.stdout
    for line in sys.stdin:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                result = answer(state, task, line.split())
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), file=out, flush=True)


if __name__ == "__main__":
    main()
