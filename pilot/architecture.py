"""The pilot's architecture: a Llama, so that every engine serves it."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROPE_THETA = 1e6  # half of a head's pairs then compare tokens at any distance that occurs


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a pilot is; its heads have 64 numbers each."""

    hidden_size: int
    num_layers: int
    mlp_size: int


SMALL = Shape(256, 6, 704)  # 6 M parameters: what two cores train in an hour and a half
LARGE = Shape(384, 10, 1024)  # 19 M: what a GPU trains in minutes, and a repository can carry


def new_model(tokenizer: PreTrainedTokenizerFast, shape: Shape = SMALL) -> LlamaForCausalLM:
    """An untrained pilot."""
    num_heads = shape.hidden_size // 64
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.mlp_size,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=num_heads,
        num_key_value_heads=num_heads,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)
