"""Compression of page texts, by zstd: what is short stays readable text."""

from __future__ import annotations

import zstandard

MIN_CHARACTERS = 512
"""Below this a frame header eats what is saved."""
LEVEL = 3


def compressed(text: str) -> str | bytes:
    """As it goes into a column: a BLOB when that is smaller, otherwise TEXT. Half a surrogate
    pair, which a model can write and SQLite does not take as text, is kept as well."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(text) < MIN_CHARACTERS:
        return text if _is_unicode(text) else zstandard.ZstdCompressor(level=1).compress(raw)
    small = zstandard.ZstdCompressor(level=LEVEL).compress(raw)
    return small if len(small) < len(raw) or not _is_unicode(text) else text


def decompressed(content: str | bytes) -> str:
    """Raises ValueError when it is damaged."""
    if isinstance(content, str):
        return content
    try:
        raw = zstandard.ZstdDecompressor().decompress(content)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    return raw.decode("utf-8", "surrogatepass")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
