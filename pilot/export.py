"""Write a model folder that vLLM and transformers load."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from . import MODEL_DIR
from .architecture import Shape, new_model
from .tokenizer import load

MAX_NEW_TOKENS = 256  # its longest right answer is shorter: more would be a loop


def export(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, target: Path) -> None:
    """Write ``model`` in bfloat16 to ``target``, each file replaced in one move."""
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    half = LlamaForCausalLM(model.config)
    half.bfloat16()
    half.load_state_dict(model.state_dict())
    half.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=MAX_NEW_TOKENS,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    half.save_pretrained(fresh)
    tokenizer.save_pretrained(fresh)
    target.mkdir(exist_ok=True)
    for file in sorted(fresh.iterdir()):
        file.chmod(0o644)
        os.replace(file, target / file.name)
    fresh.rmdir()


def export_checkpoint(run: Path, target: Path) -> None:
    """Export the newest checkpoint of a training run."""
    state: dict[str, Any] = torch.load(run / "checkpoint.pt", weights_only=True)
    tokenizer = load(run / "tokenizer.json")
    model = new_model(tokenizer, Shape(*state["shape"]))
    model.load_state_dict(state["model"])
    export(model, tokenizer, target)


def main() -> None:
    parser = argparse.ArgumentParser(description="Export a training run's newest checkpoint.")
    parser.add_argument("run", type=Path, help="the folder of the run")
    parser.add_argument("--to", type=Path, default=MODEL_DIR, help="the model folder")
    arguments = parser.parse_args()
    export_checkpoint(arguments.run, arguments.to)


if __name__ == "__main__":
    main()
