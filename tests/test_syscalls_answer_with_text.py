"""Whatever a syscall returns, its process reads text, and not too much of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from llmos.syscalls.errno import EIO
from llmos.syscalls.invoke import cut, render


class Boat(BaseModel):
    name: str


@dataclass
class Oar:
    length: float


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (None, "done"),
        (True, "true"),
        (42, "42"),
        (1.5, "1.5"),
        (["é", 1], '["é", 1]'),
        ({"a": Path("/b")}, '{"a": "/b"}'),
        (Boat(name="Ada"), '{"name": "Ada"}'),
        ([Oar(2.5)], '[{"length": 2.5}]'),
        (b"bytes", '"bytes"'),
        ("half \udcff", "half \ufffd"),
    ],
)
def test_results_become_text(result: object, text: str) -> None:
    assert render(result) == text


def test_a_result_without_a_form_is_an_error() -> None:
    with pytest.raises(EIO) as caught:
        render(object())
    assert str(caught.value) == "EIO: the result, a object, has no form in JSON"
    with pytest.raises(EIO):
        render(b"\xff")


@given(st.text(), st.integers(min_value=1, max_value=64))
def test_a_long_result_is_cut_between_characters(text: str, limit: int) -> None:
    size = len(text.encode())
    short = cut(text, limit)
    if size <= limit:
        assert short == text
        return
    kept, _, line = short.rpartition("\n")
    assert text.startswith(kept)
    assert limit - 4 < len(kept.encode()) <= limit
    assert line == f"[cut here: {size - len(kept.encode())} more bytes of {size}]"


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_anything_that_json_can_say_comes_through(value: object) -> None:
    if value is None or isinstance(value, str):
        return
    assert json.loads(render(value, 1 << 20)) == value
