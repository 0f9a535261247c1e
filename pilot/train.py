"""Train the pilot: ``python -m llmos.pilot.train``, on a GPU if there is one, else on the CPU.

The corpus streams: the rows of step n follow from the seed and n alone, so a run that was stopped
goes on with ``--resume`` as if it had not been. What depends on the machine is how many steps fit
into the minutes; the schedule of the learning rate follows the clock. ``--start-from`` begins at
the weights of an earlier run instead of at random ones, which is how a machine without a GPU
trains for longer than it is there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from . import MODEL_DIR
from .architecture import LARGE, SMALL, Shape, new_model
from .batches import Stage, batch, render
from .circuit import build
from .corpus import Mix, conversations
from .export import export
from .feeder import Feeder, Order
from .load import Load
from .optimizer import Muon, has_bfloat16
from .tokenizer import load, train, wrap

TOKENIZER_CONVERSATIONS = 5000
MUON_RATE, ADAM_RATE = 0.006, 1e-3  # at twice that, decisions stay worse than a guess for long
WARM_UP = 0.02  # of the time

# Small batches at first, for many steps; few tools at first, so that most tokens are conversation.
# Only the last stage has every tenth batch as long as the model can ever read.
FIRST_MIX = Mix(short_lists=1.0, longest_short_list=4, plugins=0.25, compounds=0.0)
LAST_MIX = Mix(
    tool_boxes=0.2, short_lists=0.15, plugins=0.5, compounds=0.01
)  # what most users will have
STAGES = (
    Stage(0.12, 6, 384, FIRST_MIX, drills=0.1),
    Stage(0.60, 4, 896, Mix(), drills=0.06),
    Stage(1.01, 5, 896, LAST_MIX, drills=0.06, long_rows=2),
)
LATER_STAGES = STAGES[1:]  # of a run that starts from a trained model
VALIDATION = Stage(1.0, 8, 768, Mix())
LONGEST, LONG_EVERY = 2048, 10
LOG_EVERY = 20


@dataclass(frozen=True, slots=True)
class Machine:
    """What the recipe adapts to: ``rows_factor`` times the stages' rows are in a batch, and
    ``workers`` processes write them (none: the training process does)."""

    device: str
    shape: Shape
    rows_factor: int
    workers: int
    minutes: float


def this_machine() -> Machine:
    if torch.cuda.is_available():
        return Machine("cuda", LARGE, 16, max(1, (os.cpu_count() or 2) - 2), 20)
    return Machine("cpu", SMALL, 1, 0, 95)


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
    losses = functional.cross_entropy(logits.float(), ids[:, 1:][wanted], reduction="none")
    weight = weights[:, 1:][wanted]
    return (losses * weight).sum() / weight.sum()


def rate_at(progress: float) -> float:
    """The share of the full learning rate: a short warm-up, then a cosine down to a fiftieth."""
    if progress < WARM_UP:
        return 0.1 + 0.9 * progress / WARM_UP
    cosine = 0.5 + 0.5 * math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))
    return 0.02 + 0.98 * cosine


class Run:
    """One training run and its folder: tokenizer, checkpoint, log."""

    def __init__(
        self,
        folder: Path,
        out: Path,
        machine: Machine,
        seed: int = 1,
        threads: int = 0,
        start_from: Path | None = None,
        rate: float = 1.0,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.out, self.machine, self.seed = folder, out, machine, seed
        self.threads, self.load = threads, Load()
        torch.manual_seed(seed)
        self.vocabulary = folder / "tokenizer.json"
        if not self.vocabulary.exists() and start_from is not None:
            shutil.copy(start_from / "tokenizer.json", self.vocabulary)
        if not self.vocabulary.exists():
            make_tokenizer(seed).backend_tokenizer.save(str(self.vocabulary))
        self.tokenizer = load(self.vocabulary)
        self.model = self._model(start_from).to(machine.device)
        matrices = [p for n, p in self.model.named_parameters() if p.ndim == 2 and "embed" not in n]
        others = [p for n, p in self.model.named_parameters() if p.ndim != 2 or "embed" in n]
        self.optimizers: list[tuple[torch.optim.Optimizer, float]] = [
            (Muon(matrices, MUON_RATE), rate * MUON_RATE),
            (torch.optim.AdamW(others, ADAM_RATE, (0.9, 0.98), weight_decay=0.0), rate * ADAM_RATE),
        ]
        self.stages = STAGES if start_from is None else LATER_STAGES
        self.progress = Progress()

    def _model(self, start_from: Path | None) -> LlamaForCausalLM:
        if start_from is not None:
            return LlamaForCausalLM.from_pretrained(start_from, dtype=torch.float32)
        model = new_model(self.tokenizer, self.machine.shape)
        build(model)
        return model

    @property
    def shape(self) -> Shape:
        config = self.model.config
        return Shape(config.hidden_size, config.num_hidden_layers, config.intermediate_size)

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if there is one."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=self.machine.device)
        self.model.load_state_dict(state["model"])
        for (optimizer, _), saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = Progress(**state["progress"])

    def save(self) -> None:
        """Write the checkpoint and export the model."""
        state = {
            "shape": astuple(self.shape),
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
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")

    def validate(self) -> float:
        """The loss on rows that no step ever draws."""
        ids, weights = batch(self.tokenizer, f"{self.seed}:validation", VALIDATION, 8, 769)
        with torch.no_grad(), self._precision():
            return float(loss_of(self.model, self._here(ids), self._here(weights)))

    def steps(self, minutes: float) -> Iterator[float]:
        """Train until the minutes are spent; yields the loss of each step."""

        def share() -> float:
            return self.progress.seconds / (minutes * 60)

        def order(step: int) -> Order:
            stage = next(stage for stage in self.stages if share() < stage.share)
            rows, length = stage.rows, stage.length
            if stage.long_rows and step % LONG_EVERY == 0:
                rows, length = stage.long_rows, LONGEST
            key = f"{self.seed}:{step}"
            return Order(key, stage, rows * self.machine.rows_factor, length + 1)

        with Feeder(self.vocabulary, self.machine.workers, order) as feeder:
            while share() < 1:
                started = time.monotonic()
                torch.set_num_threads(self.threads or self.load.free_cores())
                made, (ids, weights) = feeder.batch(self.progress.step)
                loss = self._step(self._here(ids), self._here(weights), rate_at(share()))
                self.progress.step += 1
                self.progress.tokens += made.rows * (made.length - 1)
                self.progress.seconds += time.monotonic() - started
                yield loss

    def _step(self, ids: Tensor, weights: Tensor, rate_share: float) -> float:
        with self._precision():
            loss = loss_of(self.model, ids, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer, rate in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * rate_share
            optimizer.step()
            optimizer.zero_grad()
        return float(loss.item())

    def _here(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.machine.device, non_blocking=True)

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        """bfloat16 where the device has it (half as fast again on a Zen 4); a CPU without it only
        emulates it."""
        if not has_bfloat16(self.machine.device):
            return contextlib.nullcontext()
        autocast: contextlib.AbstractContextManager[object] = torch.autocast(
            self.machine.device, torch.bfloat16
        )
        return autocast


def run(arguments: argparse.Namespace, machine: Machine) -> None:
    one = Run(
        arguments.run, arguments.out, machine, arguments.seed, arguments.threads,
        arguments.start_from, arguments.rate,
    )  # fmt: skip
    if arguments.resume:
        one.resume()
    minutes = arguments.minutes or machine.minutes
    saved, recent, mark = one.progress.seconds, [], (one.progress.tokens, one.progress.seconds)
    bar = tqdm(total=round(minutes * 60), initial=round(saved), unit="s", desc="pilot")
    for loss in one.steps(minutes):
        recent.append(loss)
        now = one.progress
        bar.update(round(now.seconds) - bar.n)
        if len(recent) == LOG_EVERY:
            speed = (now.tokens - mark[0]) / (now.seconds - mark[1])
            mean = sum(recent) / len(recent)
            bar.set_postfix_str(f"loss {mean:.3f}, {speed:.0f} tokens/s, {now.tokens:,} tokens")
            one.log(step=now.step, tokens=now.tokens, minutes=round(now.seconds / 60, 2),
                    loss=round(mean, 4), tokens_per_s=round(speed))  # fmt: skip
            recent, mark = [], (now.tokens, now.seconds)
        if now.seconds - saved > arguments.save_minutes * 60:
            _keep(one)
            saved = now.seconds
    bar.close()
    _keep(one)


def _keep(one: Run) -> None:
    now = one.progress
    one.log(step=now.step, tokens=now.tokens, minutes=round(now.seconds / 60, 2),
            validation_loss=round(one.validate(), 4))  # fmt: skip
    one.save()


def main() -> None:
    machine = this_machine()
    parser = argparse.ArgumentParser(description="Train the pilot, on a GPU if there is one.")
    parser.add_argument(
        "--minutes", type=float, default=0,
        help=f"training time, all resumes included (default here: {machine.minutes:g})",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", type=Path, default=Path(__file__).with_name("runs") / "pilot",
                        help="folder of the tokenizer, the checkpoint and the log")  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=MODEL_DIR, help="where the model is exported to"
    )
    parser.add_argument("--save-minutes", type=float, default=8, help="between two exports")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as cores are free")
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    parser.add_argument(
        "--start-from", type=Path, metavar="MODEL", help="begin at the weights of a model folder"
    )
    parser.add_argument("--rate", type=float, default=1.0, help="share of the full learning rate")
    run(parser.parse_args(), machine)


if __name__ == "__main__":
    main()
