"""Copying, written into the untrained weights.

What lets a transformer copy is a circuit of attention heads that finds where the present tokens
stood before and reads on from there (Olsson and others, 2022, "In-context Learning and Induction
Heads"). Left to training it forms late, after more tokens than a CPU can afford. But its weights
are known, so it is built by hand, and training starts from a model that can copy:

- layer 0: one head looks one token back, one looks two back (RoPE makes such heads from constant
  queries and keys) and each writes down the embedding that it found;
- layer 1: every head looks for a place where the *two* tokens before are the present ones (two,
  because every other token is a space) and adds the embedding of the token that stands there;
- layer 2: two heads take away the present token's own embedding, which with tied embeddings would
  predict the present token again.

The residual stream's first half carries the present token, the second half the two before it.
Nothing of this is frozen.
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


def _look_back(model: LlamaForCausalLM, layer: int, head: int, distance: int) -> None:
    """Let a head attend to the token ``distance`` before, whatever it is."""
    attention = model.model.layers[layer].self_attn
    angles = _rotation(model)
    pairs, strength = 12, 1.03
    query = attention.q_proj.weight[head * CODE : (head + 1) * CODE]
    key = attention.k_proj.weight[head * CODE : (head + 1) * CODE]
    query.zero_()
    key.zero_()
    for pair in range(pairs):
        turn = float(angles[pair]) * distance
        # A key that its position has turned by ``distance`` less than the query lies on it.
        query[pair, 0] = strength
        key[pair, 0] = strength * math.cos(turn)
        key[pair + CODE // 2, 0] = strength * math.sin(turn)


def _carry(
    model: LlamaForCausalLM, layer: int, head: int, source: int, target: int, gain: float
) -> None:
    """Let a head move the 64 numbers from ``source`` on to ``target``, ``gain`` times as large."""
    attention = model.model.layers[layer].self_attn
    own = slice(head * CODE, (head + 1) * CODE)
    share = math.sqrt(abs(gain))
    value, output = attention.v_proj.weight[own], attention.o_proj.weight[:, own]
    value.zero_()
    output.zero_()
    value[:, source : source + CODE] = share * torch.eye(CODE)
    output[target : target + CODE] = math.copysign(share, gain) * torch.eye(CODE)


def _match(model: LlamaForCausalLM, layer: int, head: int, first_pair: int, gain: float) -> None:
    """Let a head attend to where the two tokens before are the present token and the one before.

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


@torch.no_grad()  # type: ignore[untyped-decorator]
def build(model: LlamaForCausalLM) -> None:
    """Write the circuit into ``model``, which has four heads of 64 and at least three layers."""
    assert model.config.head_dim == CODE and model.config.hidden_size == 4 * CODE
    embedding = model.get_input_embeddings().weight
    embedding[:, : 2 * CODE].normal_(std=SPREAD)
    embedding[:, 2 * CODE :].normal_(std=SPREAD / 20)
    embedding[:, 0] = SPREAD * 8  # the constant that the heads of fixed distance live on
    for head, distance in enumerate((1, 2)):
        _look_back(model, 0, head, distance)
        _carry(model, 0, head, 0, (2 + head) * CODE, 0.12)
    for head in range(4):
        _match(model, 1, head, first_pair=15, gain=3.5)
        _carry(model, 1, head, head % 2 * CODE, head % 2 * CODE, 0.6)
    for head in range(2):
        _look_back(model, 2, head, 0)
        _carry(model, 2, head, head * CODE, head * CODE, -0.1)
