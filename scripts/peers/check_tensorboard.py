"""Reads a training run's event files with TensorBoard's EventAccumulator and compares them with the
run's metrics.jsonl and pictures.

usage: check_tensorboard.py OUTPUT_DIR
Exit status 0 if every scalar and picture is there once, at its step, and equal; 1 if not, 77 if a
Python package is missing.
"""

import json
import pathlib
import struct
import sys

# In metrics.jsonl only.
WITHOUT_TAG = {"step", "seconds"}


def scalars_of(line):
    """{"loss/lora": 0.1, "weight_change/lora/unet.mid_block": 0.01, …} of one line."""

    def flat(value, tag):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from flat(inner, f"{tag}/{key}")
        else:
            yield tag, value

    return {
        tag: value
        for key, top in line.items()
        if key not in WITHOUT_TAG
        for tag, value in flat(top, key)
    }


def in_fp32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def check_scalars(events, lines):
    want = {}
    for line in lines:
        for tag, value in scalars_of(line).items():
            want.setdefault(tag, []).append((line["step"], in_fp32(value)))
    got = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }
    faults = [f"no tag {tag}" for tag in want.keys() - got.keys()]
    faults += [f"tag {tag} is not in metrics.jsonl" for tag in got.keys() - want.keys()]
    for tag in want.keys() & got.keys():
        if want[tag] != got[tag]:
            faults.append(f"{tag}: want {want[tag]}, got {got[tag]}")
    return faults


def picture_file(samples, tag, step):
    """samples/dora/prompt-2/seed-7 at step 4 is samples/step-4/dora-2-7.png."""
    parts = tag.split("/")[1:]
    if parts == ["sheet"]:
        return samples / f"step-{step}.png"
    folder = samples / ("base" if parts[0] == "base" else f"step-{step}")
    numbers = [part.rpartition("-")[2] for part in parts[1:]]
    return folder / ("-".join([parts[0]] + numbers) + ".png")


def check_pictures(events, samples):
    import io

    from PIL import Image

    faults = []
    shown = set()
    for tag in events.Tags()["images"]:
        steps = [event.step for event in events.Images(tag)]
        if len(steps) != len(set(steps)):
            faults.append(f"{tag}: steps {steps}")
        for event in events.Images(tag):
            file = picture_file(samples, tag, event.step)
            shown.add(file)
            picture = Image.open(io.BytesIO(event.encoded_image_string))
            picture.load()
            if picture.size != (event.width, event.height):
                faults.append(f"{tag}: {picture.size}, announced as {event.width}x{event.height}")
            if not file.exists() or file.read_bytes() != event.encoded_image_string:
                faults.append(f"{tag} at step {event.step} is not {file}")
    files = set(samples.rglob("*.png"))
    return faults + [f"{file} is under no tag" for file in sorted(files - shown)]


def main():
    try:
        import PIL  # noqa: F401
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError as error:
        print(f"skipped: {error}")
        return 77
    run = pathlib.Path(sys.argv[1])
    events = EventAccumulator(str(run / "logs"), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    faults = check_scalars(events, lines)
    if (run / "samples").is_dir():
        faults += check_pictures(events, run / "samples")
    for fault in faults:
        print(fault)
    tags = events.Tags()
    print(f"{len(tags['scalars'])} scalar tags, {len(tags['images'])} picture tags")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
