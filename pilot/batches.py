"""Rows of tokens for training, and how much each token weighs in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from .corpus import Conversation, Mix, conversation
from .drill import drill
from .scene import MISTAKEN
from .tokenizer import CALL, END, START

CHARACTERS_PER_TOKEN = 2.9  # at most: a row must not end before its last token

Row: TypeAlias = tuple[list[int], list[float]]

# What comes after one of these is a decision: call or speak, which tool, where to start copying,
# which line comes next. They are nearly one token in five and most of the difficulty; the rest is
# reading on.
NEWLINE = "Ċ"
DECISIVE = (f"{START}assistant\n", '{"name":Ġ"', '":Ġ"', '",Ġ"arguments":Ġ{"', NEWLINE)
DECISION_WEIGHT = 8.0
CALL_WEIGHT = 2.0  # a word that is lost in an argument spoils the call, one in an answer does not


@dataclass(frozen=True, slots=True)
class Stage:
    """How a part of a run draws its batches; it lasts until ``share`` of the time is spent.

    Of the ``rows``, the share ``drills`` are copying drills, the others conversations.
    """

    share: float
    rows: int
    length: int
    mix: Mix
    drills: float = 0.0
    long_rows: int = 0


def render(tokenizer: PreTrainedTokenizerFast, conversation: Conversation) -> str:
    """The text of a conversation, through the template that serves it."""
    tools: list[Any] = [tool.schema() for tool in conversation.tools]
    text = tokenizer.apply_chat_template(conversation.messages, tools=tools, tokenize=False)
    assert isinstance(text, str)
    return text


def weights(
    ids: list[int], decisive: list[int], call: int, end: int, mistaken: Sequence[bool] = ()
) -> list[float]:
    """Zero for what the model does not write itself; more for decisions than for the rest.

    ``mistaken`` says of each of the assistant's turns whether it is not to be learnt.
    """
    weighed, inside, plain, before, turns = [], False, 1.0, end, iter(mistaken)
    for token in ids:
        weighed.append((DECISION_WEIGHT if before in decisive else plain) if inside else 0.0)
        if token == decisive[0]:
            inside, plain = not next(turns, False), 1.0
        elif token == call:
            plain = CALL_WEIGHT
        elif token == end:
            inside = False
        before = token
    return weighed


def conversation_row(tokenizer: PreTrainedTokenizerFast, rng: Random, mix: Mix, length: int) -> Row:
    """One conversation, cut off at ``length`` tokens."""
    *decisive, call, end = tokenizer.convert_tokens_to_ids([*DECISIVE, CALL, END])
    ids: list[int] = []
    characters = int(CHARACTERS_PER_TOKEN * length)
    while len(ids) < length:
        drawn = conversation(rng, mix, characters)
        text = render(tokenizer, drawn)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"][:length]
        characters = characters * 5 // 4
    mistaken = [MISTAKEN in turn for turn in drawn.messages if turn["role"] == "assistant"]
    return ids, weights(ids, decisive, call, end, mistaken)


def batch(
    tokenizer: PreTrainedTokenizerFast, key: str, stage: Stage, rows: int, length: int
) -> tuple[Tensor, Tensor]:
    """Token ids (rows, length) and their weights in the loss. Both follow from ``key``."""
    plain = range(3, tokenizer.convert_tokens_to_ids(CALL))  # what is neither a role nor a call
    newline = tokenizer.convert_tokens_to_ids(NEWLINE)
    drawn: list[Row] = []
    for row in range(rows):
        rng = Random(f"{key}:{row}")
        if rng.random() < stage.drills:
            drawn.append(drill(rng, plain, newline, length))
        else:
            drawn.append(conversation_row(tokenizer, rng, stage.mix, length))
    return torch.tensor([ids for ids, _ in drawn]), torch.tensor([some for _, some in drawn])
