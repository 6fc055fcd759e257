"""The flags of diffusers' training scripts as facts: names, types, defaults, choices.

Reads the scripts' parsers without running them and writes tests/golden/diffusers_flags.json, which
tests/cli compares with `dorabooth train`:

    python scripts/peers/list_flags.py --version TEXT SCRIPT.py… > tests/golden/diffusers_flags.json

Help texts are left out.
"""

import argparse
import ast
import json
import pathlib
import sys

# The scripts compute these choices from an enumeration's names.
COMPUTED_CHOICES = {
    "image_interpolation_mode": [
        "bicubic", "bilinear", "box", "hamming", "lanczos", "nearest", "nearest_exact"
    ],  # torchvision.transforms.InterpolationMode
}  # fmt: skip


def argument_calls(tree):
    """Every parser.add_argument(…) of the file, in its order."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_argument"
    ]
    return sorted(calls, key=lambda call: call.lineno)


def flag_of(call):
    names = [ast.literal_eval(argument).lstrip("-") for argument in call.args]
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    flag = {"name": names[0]}
    if len(names) > 1:
        flag["aliases"] = names[1:]
    action = ast.literal_eval(given["action"]) if "action" in given else "store"
    if action == "store_true":
        flag["type"] = "switch"
        flag["default"] = False
    elif action == "store":
        flag["type"] = given["type"].id if "type" in given else "str"
        flag["default"] = ast.literal_eval(given["default"]) if "default" in given else None
    else:
        sys.exit(f"--{names[0]}: action {action} is not known to this script")
    if "choices" in given:
        literal = isinstance(given["choices"], (ast.List, ast.Tuple)) and all(
            isinstance(element, ast.Constant) for element in given["choices"].elts
        )
        flag["choices"] = (
            ast.literal_eval(given["choices"]) if literal else COMPUTED_CHOICES[names[0]]
        )
    if "required" in given and ast.literal_eval(given["required"]):
        flag["required"] = True
    if "nargs" in given:
        flag["nargs"] = ast.literal_eval(given["nargs"])
    return flag


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version", required=True, help="where the scripts are from")
    parser.add_argument("scripts", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    lists = {
        path.stem: [flag_of(call) for call in argument_calls(ast.parse(path.read_text()))]
        for path in options.scripts
    }
    # A flag a line, so that a newer version shows as a small difference.
    print('{\n  "version": ' + json.dumps(options.version) + ',\n  "scripts": {')
    for number, (name, flags) in enumerate(lists.items()):
        lines = ",\n".join("      " + json.dumps(flag) for flag in flags)
        print(f'    "{name}": [\n{lines}\n    ]' + ("," if number + 1 < len(lists) else ""))
    print("  }\n}")


if __name__ == "__main__":
    main()
