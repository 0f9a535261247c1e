"""The pilot can be trained anew: its corpus covers what llmos can do, and its recipe goes on."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from random import Random

import pytest
import torch

from llmos.pilot import MODEL_DIR
from llmos.pilot.architecture import SMALL, new_model
from llmos.pilot.batches import conversation_row, render, weights
from llmos.pilot.circuit import build
from llmos.pilot.clock_scenes import mended_scene
from llmos.pilot.corpus import Conversation, Mix, conversations
from llmos.pilot.feeder import Feeder, Order
from llmos.pilot.scene import messages
from llmos.pilot.tokenizer import CALL, END, START, load
from llmos.pilot.tools import SYSCALLS
from llmos.pilot.train import STAGES, Machine, Run

TOKENIZER = load(MODEL_DIR / "tokenizer.json")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_the_corpus_is_the_same_for_the_same_seed() -> None:
    first, again, other = (
        list(itertools.islice(conversations(seed, Mix(), 3000), 20)) for seed in (7, 7, 8)
    )
    assert first == again != other


def test_every_syscall_is_called_and_many_tools_are_not_ours() -> None:
    called: set[str] = set()
    for one in itertools.islice(conversations(1, Mix(), 4000), 300):
        for turn in one.messages:
            called |= {call["function"]["name"] for call in turn.get("tool_calls", ())}
    ours = {tool.name for tool in SYSCALLS}
    assert ours <= called
    assert len(called - ours) > 50


def test_only_what_the_model_writes_is_learnt() -> None:
    ids, weighed = conversation_row(TOKENIZER, Random(1), Mix(), 700)
    learnt = TOKENIZER.decode([one for one, weight in zip(ids, weighed, strict=True) if weight])
    assert f"{START}user" not in learnt
    assert "# Tools" not in learnt
    assert END in learnt


def test_a_mistake_is_shown_and_not_learnt() -> None:
    scene = mended_scene(Random(3))
    wrong, right = scene.steps
    talk = Conversation(SYSCALLS, messages(scene, scene.request))
    ids = TOKENIZER(render(TOKENIZER, talk), add_special_tokens=False)["input_ids"]
    decisive = TOKENIZER.convert_tokens_to_ids([f"{START}assistant\n"])
    call, end = TOKENIZER.convert_tokens_to_ids([CALL, END])
    weighed = weights(ids, decisive, call, end, [True, False, False])
    learnt = TOKENIZER.decode([one for one, weight in zip(ids, weighed, strict=True) if weight])
    assert json.dumps(right.arguments) in learnt
    assert json.dumps(wrong.arguments) not in learnt


def test_an_untrained_pilot_copies_a_list_whose_lines_end_alike() -> None:
    torch.manual_seed(1)
    model = new_model(TOKENIZER)
    build(model)
    names = "anchor.txt\nbridge.txt\ncandle.txt\ndragon.txt\nengine.txt\n"
    before = TOKENIZER(f"{names}{END}\nholds:\n", add_special_tokens=False)["input_ids"]
    copy = TOKENIZER(names, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        said = model(torch.tensor([before + copy])).logits[0].argmax(-1).tolist()
    # The first token is anybody's guess; each later one follows from what stands before it.
    right = [
        said[len(before) + place - 1] == token for place, token in enumerate(copy) if place > 0
    ]
    assert sum(right) / len(right) > 0.7


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    machine = Machine("cpu", SMALL, 1, 0, 1)
    first = Run(tmp_path, tmp_path / "model", machine, threads=1, start_from=MODEL_DIR)
    losses = list(itertools.islice(first.steps(minutes=60), 2))
    first.save()
    again = Run(tmp_path, tmp_path / "model", machine, threads=1)
    again.resume()
    assert again.progress == first.progress
    losses += itertools.islice(again.steps(minutes=60), 1)
    assert again.progress.step == 3
    assert max(losses) < 3, "it goes on from trained weights"


def test_workers_write_the_same_batches(tmp_path: Path) -> None:
    def order(step: int) -> Order:
        return Order(f"x:{step}", STAGES[0], 2, 64)

    def batches(workers: int) -> list[list[list[int]]]:
        with Feeder(MODEL_DIR / "tokenizer.json", workers, order) as feeder:
            return [feeder.batch(step)[1][0].tolist() for step in range(3)]

    assert batches(0) == batches(1)
