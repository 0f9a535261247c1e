"""The mean of two models' weights: ``python -m llmos.pilot.mean MODEL MODEL OUT``.

Two runs of which one began where the other ended lie in one valley of the loss, and the middle
between them is often better than either (Wortsman and others, 2022, "Model soups").
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def mean(one: Path, other: Path, out: Path) -> None:
    """Write the mean of two model folders to ``out``, all else as in the first."""
    first, second = load_file(one / WEIGHTS), load_file(other / WEIGHTS)
    shutil.copytree(one, out)
    halves = {
        name: ((tensor.float() + second[name].float()) / 2).to(tensor.dtype)
        for name, tensor in first.items()
    }
    save_file(halves, out / WEIGHTS, metadata={"format": "pt"})


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the mean of two models of one shape.")
    parser.add_argument("models", type=Path, nargs=2)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    one, other = options.models
    mean(one, other, options.out)


if __name__ == "__main__":
    main()
