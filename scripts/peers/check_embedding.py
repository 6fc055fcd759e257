"""Loads a file of token embeddings with diffusers' load_textual_inversion into both text encoders
and compares what they make of a prompt with what this program made of it.

usage: check_embedding.py BASE EMBEDDING PROMPT ENCODED
BASE is a diffusers folder, ENCODED a safetensors file with prompt_embeds and pooled. The
placeholders are those that EMBEDDING names. Exit status 0 if all agree, 1 if not, 77 if a package
is missing.

Pooled is compared at the end of the text: transformers takes the highest id where the config has
the old eos_token_id 2, and a new token's is higher, so the model is told the real id.
"""

import json
import sys

TOLERANCE = 2e-4  # of the largest value


def agree(name, ours, theirs):
    worst = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    print(f"{name}: within {worst:.1e} of the largest value")
    return worst < TOLERANCE


def main():
    if len(sys.argv) != 5:
        print(__doc__)
        return 2
    try:
        import torch
        from diffusers import StableDiffusionXLPipeline
        from safetensors import safe_open
        from safetensors.torch import load_file
    except ImportError as error:
        print(error)
        return 77
    base, embedding, prompt, encoded = sys.argv[1:]
    torch.set_num_threads(1)
    pipeline = StableDiffusionXLPipeline.from_pretrained(base)
    with safe_open(embedding, "pt") as file:
        tokens = json.loads(file.metadata()["dorabooth"])["placeholder_tokens"]
    rows = load_file(embedding)
    for key, encoder, tokenizer in (
        ("clip_l", pipeline.text_encoder, pipeline.tokenizer),
        ("clip_g", pipeline.text_encoder_2, pipeline.tokenizer_2),
    ):
        pipeline.load_textual_inversion(
            rows[key], token=tokens, text_encoder=encoder, tokenizer=tokenizer
        )

    def encode():
        with torch.no_grad():
            return pipeline.encode_prompt(prompt, do_classifier_free_guidance=False)

    ours = load_file(encoded)
    embeds, _, highest_id, _ = encode()
    pipeline.text_encoder_2.text_model.eos_token_id = pipeline.tokenizer_2.eos_token_id
    _, _, pooled, _ = encode()
    differ = not torch.allclose(highest_id, pooled)
    print(f"diffusers itself pools {'a new token' if differ else 'the end of the text'}")
    same = [
        agree("prompt_embeds", ours["prompt_embeds"], embeds),
        agree("pooled", ours["pooled"], pooled),
    ]
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
