"""The pilot: llmos's own tiny model, from its corpus to its weights."""

from pathlib import Path
from typing import Final

MODEL_DIR: Final = Path(__file__).with_name("model")
"""The packaged weights, tokenizer and chat template; any engine that loads Llama serves them."""
