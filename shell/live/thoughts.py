"""What a model thinks before it answers: `<think>…</think>` at the beginning of an answer."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN, END = "<think>", "</think>"


class Thoughts:
    """Parts a text, as it comes, into thoughts and words. Behind the first word there are no
    thoughts any more: an answer may speak of the tag."""

    def __init__(self) -> None:
        self.thinking = False
        self._may_begin = True
        self._held = ""
        """What may be the beginning of a tag."""

    def add(self, text: str) -> Iterator[tuple[str, bool]]:
        """Pieces that are not '', each with whether it is thought."""
        text, self._held = self._held + text, ""
        if self._may_begin:
            bare = text.lstrip()
            if len(bare) < len(BEGIN) and BEGIN.startswith(bare):
                self._held = text
                return
            self._may_begin = False
            if bare.startswith(BEGIN):
                self.thinking, text = True, bare.removeprefix(BEGIN)
        if self.thinking:
            thought, ended, rest = text.partition(END)
            if not ended:
                kept = _begun(text)
                thought, self._held = text[: len(text) - kept], text[len(text) - kept :]
            if thought:
                yield thought, True
            if not ended:
                return
            self.thinking, text = False, rest.lstrip()
            self._may_begin = not text
        if text:
            yield text, False

    def close(self) -> Iterator[tuple[str, bool]]:
        """What was held back at the end, and a new beginning."""
        held, thinking = self._held, self.thinking
        self._held, self.thinking, self._may_begin = "", False, True
        if held:
            yield held, thinking


def _begun(text: str) -> int:
    """How many letters at the end of the text may begin `END`."""
    return next((n for n in range(len(END) - 1, 0, -1) if text.endswith(END[:n])), 0)
