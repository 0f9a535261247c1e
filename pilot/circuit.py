"""Copying, written into the untrained weights.

What lets a transformer copy is a circuit of attention heads that finds where the present tokens
stood before and reads on from there (Olsson and others, 2022, "In-context Learning and Induction
Heads"). Left to training it forms late, after more tokens than a CPU can afford. But its weights
are known, so it is built by hand, and training starts from a model that can copy:

- layer 0: one head looks one token back, one looks two back (RoPE makes such heads from constant
  queries and keys) and each writes down the embedding that it found. Two more heads do the same for
  a *window*, the sum of what stands about four tokens back, and about five back: where the lines of
  a list end alike, only what came before the ending tells which of them this is;
- layer 1: every head looks for a place where the present token stood one back, the token before it
  two back, and the present window is the window one token on (two tokens alone would hardly tell
  anything, every other one being a space), and adds the embedding of the token that stands there;
- layer 2: two heads take away the present token's own embedding, which with tied embeddings would
  predict the present token again.

Of the residual stream's first 256 numbers, the first half carries the present token. The third
quarter carries the token one back and, shuffled so that both can be told apart, the window four
back; the last quarter two and five back. Nothing of this is frozen.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

CODE = 64  # numbers of an embedding that a head can carry: the size of a head
SPREAD = 0.1  # standard deviation of an embedding's numbers


def _rotation(model: LlamaForCausalLM) -> Tensor:
    """The angle per position of each of a head's pairs of numbers."""
    frequencies: Tensor = model.model.rotary_emb.inv_freq
    return frequencies


def _look_back(
    model: LlamaForCausalLM,
    layer: int,
    head: int,
    distance: float,
    pairs: range = range(12),
    strength: float = 1.03,
) -> None:
    """Let a head attend to what stands ``distance`` before, whatever it is.

    Without the first pairs, the quickest to turn, it also attends to the tokens around.
    """
    attention = model.model.layers[layer].self_attn
    angles = _rotation(model)
    query = attention.q_proj.weight[head * CODE : (head + 1) * CODE]
    key = attention.k_proj.weight[head * CODE : (head + 1) * CODE]
    query.zero_()
    key.zero_()
    for pair in pairs:
        turn = float(angles[pair]) * distance
        # A key that its position has turned by ``distance`` less than the query lies on it.
        query[pair, 0] = strength
        key[pair, 0] = strength * math.cos(turn)
        key[pair + CODE // 2, 0] = strength * math.sin(turn)


def _carry(
    model: LlamaForCausalLM,
    layer: int,
    head: int,
    source: int,
    target: int,
    gain: float,
    order: Tensor | None = None,
) -> None:
    """Let a head move the 64 numbers from ``source`` on to ``target``, ``gain`` times as large.

    ``order``, shape (64, 64), says which number goes where; None leaves them as they are.
    """
    attention = model.model.layers[layer].self_attn
    own = slice(head * CODE, (head + 1) * CODE)
    share = math.sqrt(abs(gain))
    value, output = attention.v_proj.weight[own], attention.o_proj.weight[:, own]
    value.zero_()
    output.zero_()
    value[:, source : source + CODE] = share * torch.eye(CODE)
    turned = torch.eye(CODE) if order is None else order
    output[target : target + CODE] = math.copysign(share, gain) * turned


def _match(model: LlamaForCausalLM, layer: int, head: int, first_pair: int, gain: float) -> None:
    """Let a head attend to where what stood before is what stands here (see above).

    Only pairs that RoPE hardly turns can compare tokens that stand far apart.
    """
    attention = model.model.layers[layer].self_attn
    query = attention.q_proj.weight[head * CODE : (head + 1) * CODE]
    key = attention.k_proj.weight[head * CODE : (head + 1) * CODE]
    query.zero_()
    key.zero_()
    half, number = CODE // 2, 16 * head
    for pair in range(first_pair, half):
        code = 1 + number % (CODE - 1)
        query[pair, code] = key[pair, 2 * CODE + code] = gain
        query[pair + half, 2 * CODE + code] = key[pair + half, 3 * CODE + code] = gain
        number += 1


def _shuffle() -> Tensor:
    """A permutation matrix, shape (64, 64), that leaves the constant in its place."""
    places = torch.randperm(CODE - 1, generator=torch.Generator().manual_seed(7)) + 1
    return torch.eye(CODE)[torch.cat((torch.zeros(1, dtype=torch.long), places))]


@torch.no_grad()  # type: ignore[untyped-decorator]
def build(model: LlamaForCausalLM) -> None:
    """Write the circuit into ``model``, which has at least four heads of 64 and three layers.

    It takes the first 256 numbers of the residual stream and the first four heads.
    """
    assert model.config.head_dim == CODE and model.config.hidden_size >= 4 * CODE
    embedding = model.get_input_embeddings().weight
    embedding[:, : 2 * CODE].normal_(std=SPREAD)
    embedding[:, 2 * CODE :].normal_(std=SPREAD / 20)
    embedding[:, 0] = SPREAD * 8  # the constant that the heads of fixed distance live on
    shuffle = _shuffle()
    for head in range(2):
        _look_back(model, 0, head, 1 + head)
        _carry(model, 0, head, 0, (2 + head) * CODE, 0.2)
        _look_back(model, 0, 2 + head, 3.75 + head, pairs=range(2, 14), strength=0.9)
        _carry(model, 0, 2 + head, 0, (2 + head) * CODE, 0.16, shuffle)
    for head in range(4):
        _match(model, 1, head, first_pair=15, gain=5.0)
        _carry(model, 1, head, head % 2 * CODE, head % 2 * CODE, 0.9)
    for head in range(2):
        _look_back(model, 2, head, 0)
        _carry(model, 2, head, head * CODE, head * CODE, -0.1)
