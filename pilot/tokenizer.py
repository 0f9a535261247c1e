"""The pilot's tokenizer: byte-level BPE over pieces that look the same in every context.

A tiny model copies well only if what it copies is spelled with the same tokens in the request, in
the JSON of a call and in the answer. So every space and punctuation mark is a piece of its own, and
a word is a word whether a space, a quote or a newline stands before it. Digits come in groups of up
to three, each a token: a pid is copied at one stroke, and "444" is not a four that has to be
counted. The fixed strings of the tool list, of a call and of a turn's head are single tokens
instead of two to nine.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEMPLATE = Path(__file__).with_name("chat_template.jinja")

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|pad|>"
CALL, CALL_END = "<tool_call>", "</tool_call>"
ROLES = ("system", "user", "assistant", "tool")
VOCABULARY_SIZE = 4160
NUMBERS_WEIGHT = 1000  # as often as this each number is shown, so that each becomes a token

_FIXED = (
    r'\{"name": "',
    r'", "arguments": \{"',
    r'", "arguments": \{\}\}\n',
    r'"\}\}\n',
    r"\}\}\n",
    r'": "',
    r'", "',
    r": string",
    r": integer",
    r"\n\n# Tools\n",
)
_WORDS = (r"[0-9]{1,3}", r"\p{Lu}?\p{Ll}+", r"\p{Lu}+(?!\p{Ll})", r"\p{L}+")
_PIECE = "|".join((*_FIXED, *_WORDS, r"\s", r"."))


def _numbers() -> Iterator[str]:
    """Every group of one to three digits."""
    for width in (1, 2, 3):
        yield from (f"{number:0{width}d}\n" for number in range(10**width))


def train(texts: Iterator[str]) -> Tokenizer:
    """Learn the merges from ``texts``, already rendered through the chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECE), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE - 2 - len(ROLES),
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    numbers = chain.from_iterable(_numbers() for _ in range(NUMBERS_WEIGHT))
    tokenizer.train_from_iterator(chain(texts, numbers), trainer)
    # Not "special": the tool parser must still see them when special tokens are skipped.
    tokenizer.add_tokens([CALL, CALL_END])
    tokenizer.add_special_tokens([f"{START}{role}\n" for role in ROLES])
    return tokenizer


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The tokenizer with its roles and the chat template, as transformers and vLLM load it."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        extra_special_tokens=[START],
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = TEMPLATE.read_text(encoding="utf-8")
    return wrapped


def load(path: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of ``tokenizer.json`` at ``path`` with today's chat template."""
    return wrap(Tokenizer.from_file(str(path)))
