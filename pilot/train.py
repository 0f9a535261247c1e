"""Train the pilot on a CPU: ``python -m llmos.pilot.train --minutes 60``.

The corpus streams: the rows of step n follow from the seed and n alone, so a run that was stopped
goes on with ``--resume`` as if it had not been. What depends on the machine is how many steps fit
into the minutes; the schedule of the learning rate follows the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from . import MODEL_DIR
from .architecture import new_model
from .batches import Stage, batch, render
from .circuit import build
from .corpus import Mix, conversations
from .export import export
from .load import Load
from .optimizer import Muon
from .tokenizer import load, train, wrap

TOKENIZER_CONVERSATIONS = 5000
MUON_RATE, ADAM_RATE = 0.006, 1e-3  # at twice that, decisions stay worse than a guess for long


# Small batches at first, for many steps; few tools at first, so that most tokens are conversation.
# Only the last stage has every tenth batch as long as the model can ever read.
FIRST_MIX = Mix(short_lists=1.0, longest_short_list=4, plugins=0.25, compounds=0.0)
LAST_MIX = Mix(short_lists=0.15, plugins=0.25, compounds=0.01)  # what most users will have
STAGES = (
    Stage(0.12, 6, 384, FIRST_MIX, drills=0.1),
    Stage(0.60, 3, 896, Mix(), drills=0.03),
    Stage(1.01, 4, 896, LAST_MIX, drills=0.06, long_rows=2),
)
VALIDATION = Stage(1.0, 8, 768, Mix())
LONGEST, LONG_EVERY = 2048, 10
LOG_EVERY = 20


@dataclass(slots=True)
class Progress:
    """How far a run has come."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


def make_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """A tokenizer trained on the same kind of text as the model."""
    blank = wrap(train(iter(())))
    sample = islice(conversations(f"{seed}:tokenizer", Mix(), 2500), TOKENIZER_CONVERSATIONS)
    return wrap(train(render(blank, one) for one in sample))


def loss_of(model: LlamaForCausalLM, ids: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of the cross entropy; logits are computed only where the weight is not zero."""
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    wanted = weights[:, 1:] > 0
    embedding = model.get_input_embeddings().weight
    assert isinstance(embedding, Tensor)
    logits = functional.linear(hidden[wanted], embedding)
    losses = functional.cross_entropy(logits, ids[:, 1:][wanted], reduction="none")
    weight = weights[:, 1:][wanted]
    return (losses * weight).sum() / weight.sum()


def rate_at(progress: float) -> float:
    """The share of the full learning rate: warm-up, plateau, straight line down."""
    if progress < 0.02:
        return 0.1 + 0.9 * progress / 0.02
    return min(1.0, max(0.02, (1.0 - progress) / 0.6))


class Run:
    """One training run and its folder: tokenizer, checkpoint, log."""

    def __init__(self, folder: Path, seed: int, minutes: float, out: Path, threads: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.seed, self.minutes, self.out = folder, seed, minutes, out
        self.threads, self.load = threads, Load()
        torch.manual_seed(seed)
        vocabulary = folder / "tokenizer.json"
        if not vocabulary.exists():
            make_tokenizer(seed).backend_tokenizer.save(str(vocabulary))
        self.tokenizer = load(vocabulary)
        self.model = new_model(self.tokenizer)
        build(self.model)
        matrices = [p for n, p in self.model.named_parameters() if p.ndim == 2 and "embed" not in n]
        others = [p for n, p in self.model.named_parameters() if p.ndim != 2 or "embed" in n]
        self.optimizers: list[tuple[torch.optim.Optimizer, float]] = [
            (Muon(matrices, MUON_RATE), MUON_RATE),
            (torch.optim.AdamW(others, ADAM_RATE, (0.9, 0.98), weight_decay=0.0), ADAM_RATE),
        ]
        self.progress = Progress()

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if there is one."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        for (optimizer, _), saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = Progress(**state["progress"])

    def save(self) -> None:
        """Write the checkpoint and export the model."""
        state = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
            "progress": {
                "step": self.progress.step,
                "tokens": self.progress.tokens,
                "seconds": self.progress.seconds,
            },
        }
        fresh = self.folder / "checkpoint.pt.new"
        torch.save(state, fresh)
        os.replace(fresh, self.folder / "checkpoint.pt")
        export(self.model, self.tokenizer, self.out)

    def log(self, **record: float) -> None:
        line = json.dumps(record)
        print(line, flush=True)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def validate(self) -> float:
        """The loss on rows that no step ever draws."""
        ids, weights = batch(self.tokenizer, f"{self.seed}:validation", VALIDATION, 8, 769)
        with torch.no_grad():
            return float(loss_of(self.model, ids, weights))

    def steps(self) -> Iterator[float]:
        """Train until the minutes are spent; yields the loss of each step."""
        while self.progress.seconds < self.minutes * 60:
            started = time.monotonic()
            torch.set_num_threads(self.threads or self.load.free_cores())
            share = self.progress.seconds / (self.minutes * 60)
            stage = next(stage for stage in STAGES if share < stage.share)
            rows, length = stage.rows, stage.length
            if stage.long_rows and self.progress.step % LONG_EVERY == 0:
                rows, length = stage.long_rows, LONGEST
            key = f"{self.seed}:{self.progress.step}"
            ids, weights = batch(self.tokenizer, key, stage, rows, length + 1)
            loss = loss_of(self.model, ids, weights)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            for optimizer, rate in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate * rate_at(share)
                optimizer.step()
                optimizer.zero_grad()
            self.progress.step += 1
            self.progress.tokens += rows * length
            self.progress.seconds += time.monotonic() - started
            yield loss.item()


def run(arguments: argparse.Namespace) -> None:
    one = Run(arguments.run, arguments.seed, arguments.minutes, arguments.out, arguments.threads)
    if arguments.resume:
        one.resume()
    saved, recent, mark = one.progress.seconds, [], (one.progress.tokens, one.progress.seconds)
    for loss in one.steps():
        recent.append(loss)
        now = one.progress
        if len(recent) == LOG_EVERY:
            speed = (now.tokens - mark[0]) / (now.seconds - mark[1])
            mean = sum(recent) / len(recent)
            one.log(step=now.step, tokens=now.tokens, minutes=round(now.seconds / 60, 2),
                    loss=round(mean, 4), tokens_per_s=round(speed),
                    threads=torch.get_num_threads())  # fmt: skip
            recent, mark = [], (now.tokens, now.seconds)
        if now.seconds - saved > arguments.save_minutes * 60:
            one.log(step=now.step, validation_loss=round(one.validate(), 4))
            one.save()
            saved = now.seconds
    one.log(step=one.progress.step, validation_loss=round(one.validate(), 4))
    one.save()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the pilot on a CPU.")
    parser.add_argument(
        "--minutes", type=float, default=95, help="training time, all resumes included"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", type=Path, default=Path(__file__).with_name("runs") / "pilot",
                        help="folder of the tokenizer, the checkpoint and the log")  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=MODEL_DIR, help="where the model is exported to"
    )
    parser.add_argument("--save-minutes", type=float, default=8, help="between two exports")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as cores are free")
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
