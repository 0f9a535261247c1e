"""Copying, written into the untrained weights.

What lets a transformer copy is a circuit of attention heads that finds where the present tokens
stood before and reads on from there (Olsson and others, 2022, "In-context Learning and Induction
Heads"). Left to training it forms late, after more tokens than a CPU can afford. But its weights
are known, so it is built by hand, and training starts from a model that can copy:

- layer 0: four heads look one, two, three and four tokens back (RoPE makes such heads from constant
  queries and keys), and each writes down what it found;
- layer 1: every head looks for the place where the most of the *four* tokens before are the four
  present ones (one would not do: every other token is a space, and many names end in ``.txt``) and
  adds the embedding of the token that stands there;
- layer 2: two heads take away the present token's own embedding, which with tied embeddings would
  predict the present token again; the other two average the last few dozen tokens, the request as
  a bag of words, which is most of what it takes to choose a tool.

The residual stream's first half carries the present token, the second half the four before it.
Nothing of this is frozen.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

LOOKS_BACK = 4
DIGEST = 32  # numbers of an embedding that are kept of each token before
CODE = 64  # numbers of an embedding that a head can carry: the size of a head
MATCH = 3.5  # how sharply heads prefer the longer match
SPREAD = 0.1  # standard deviation of an embedding's numbers


def _rotation(model: LlamaForCausalLM) -> Tensor:
    """The angle per position of each of a head's pairs of numbers."""
    frequencies: Tensor = model.model.rotary_emb.inv_freq
    return frequencies


def _look_back(
    model: LlamaForCausalLM, layer: int, head: int, distance: int, strength: float
) -> None:
    """Let a head attend to the token ``distance`` before, whatever it is."""
    attention = model.model.layers[layer].self_attn
    angles = _rotation(model)
    pairs = 12
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


def _look_around(model: LlamaForCausalLM, layer: int, head: int, pairs: range, gain: float) -> None:
    """Let a head attend to the last tokens, the fewer the faster RoPE turns the ``pairs``."""
    attention = model.model.layers[layer].self_attn
    own = slice(head * CODE, (head + 1) * CODE)
    for weight in (attention.q_proj.weight[own], attention.k_proj.weight[own]):
        weight.zero_()
        for pair in pairs:
            weight[pair, 0] = 0.4
    source = head % 2 * CODE
    value, output = attention.v_proj.weight[own], attention.o_proj.weight[:, own]
    value.zero_()
    value[:, source : source + CODE] = gain * torch.eye(CODE)
    output.normal_(std=gain / math.sqrt(4 * CODE))


def _carry(
    model: LlamaForCausalLM,
    layer: int,
    head: int,
    source: int,
    target: int,
    count: int,
    gain: float,
) -> None:
    """Let a head move ``count`` numbers from ``source`` to ``target``, ``gain`` times as large."""
    attention = model.model.layers[layer].self_attn
    own = slice(head * CODE, (head + 1) * CODE)
    share = math.sqrt(abs(gain))
    value, output = attention.v_proj.weight[own], attention.o_proj.weight[:, own]
    value.zero_()
    output.zero_()
    value[:count, source : source + count] = share * torch.eye(count)
    output[target : target + count, :count] = math.copysign(share, gain) * torch.eye(count)


def _match(model: LlamaForCausalLM, layer: int, head: int, first_pair: int, gain: float) -> None:
    """Let a head attend to where the four tokens before are the present token and its forerunners.

    Only pairs that RoPE hardly turns can compare tokens that stand far apart.
    """
    attention = model.model.layers[layer].self_attn
    query = attention.q_proj.weight[head * CODE : (head + 1) * CODE]
    key = attention.k_proj.weight[head * CODE : (head + 1) * CODE]
    query.zero_()
    key.zero_()
    half = CODE // 2
    places = [*range(first_pair, half), *range(first_pair + half, CODE)]
    present = [1, *(2 * CODE + DIGEST * back for back in range(LOOKS_BACK - 1))]
    before = [2 * CODE + DIGEST * back for back in range(LOOKS_BACK)]
    for slot, place in enumerate(places):
        depth, number = slot % LOOKS_BACK, (8 * head + slot // LOOKS_BACK) % DIGEST
        query[place, present[depth] + number] = gain
        key[place, before[depth] + number] = gain


@torch.no_grad()  # type: ignore[untyped-decorator]
def build(model: LlamaForCausalLM) -> None:
    """Write the circuit into ``model``, which has four heads of 64 and at least three layers."""
    assert model.config.head_dim == CODE and model.config.hidden_size == 4 * CODE
    embedding = model.get_input_embeddings().weight
    embedding[:, : 2 * CODE].normal_(std=SPREAD)
    embedding[:, 2 * CODE :].normal_(std=SPREAD / 20)
    embedding[:, 0] = SPREAD * 8  # the constant that the heads of fixed distance live on
    for head in range(LOOKS_BACK):
        _look_back(model, 0, head, head + 1, 1.4)
        _carry(model, 0, head, 1, 2 * CODE + DIGEST * head, DIGEST, 0.12)
    for head in range(4):
        _match(model, 1, head, first_pair=15, gain=MATCH)
        _carry(model, 1, head, head % 2 * CODE, head % 2 * CODE, CODE, 0.6)
    for head in range(2):
        _look_back(model, 2, head, 0, 1.03)
        _carry(model, 2, head, head * CODE, head * CODE, CODE, -0.1)
        _look_around(model, 2, head + 2, range(4 + head, 8 + head), 0.3)
