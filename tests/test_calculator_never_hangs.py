"""No expression, however it is meant, makes `calculate` run long, blow up or run code."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.plugins.calculator import calculate
from llmos.syscalls.errno import EINVAL

TOO_LARGE = "EINVAL: the result is too large: the limit for whole numbers is 3010 digits"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("9**9**9", TOO_LARGE),
        ("9**9**9**9**9", TOO_LARGE),
        ("(-9)**(9**9)", TOO_LARGE),
        ("2**10000", TOO_LARGE),
        ("10**3000 * 10**3000", TOO_LARGE),
        ("1e308 * 10", "EINVAL: the result is too large: the limit is about 1e308"),
        ("1e999", "EINVAL: the result is too large: the limit is about 1e308"),
        ("exp(1000)", "EINVAL: the result is too large: the limit is about 1e308"),
        ("10.0 ** 400", "EINVAL: the result is too large: the limit is about 1e308"),
        ("10**3000 / 3", "EINVAL: the result is too large: the limit is about 1e308"),
        ("10**3000 + 0.5", "EINVAL: the result is too large: the limit is about 1e308"),
        ("round(5, -1000000000)", "EINVAL: round(number, digits): digits is a whole number"),
        ("1" * 1001, "EINVAL: the expression has 1001 characters, the limit is 1000"),
        ("(" * 500 + "1" + ")" * 499, "EINVAL: not an arithmetic expression: (((("),
        ("-" * 999 + "1", None),
        ("+" * 999 + "1", None),
        ("1" + "+1" * 499, None),
        ("2**" * 300 + "1", None),
        ("1**(9**9)", None),
        ("0**(9**9)", None),
        ("(-1)**(9**9)", None),
        ("2**9999", None),
        ("1_0", None),
        ("9" * 1000, None),
    ],
)
def test_the_limit_is_named_at_once(expression: str, message: str | None) -> None:
    start = time.monotonic()
    try:
        result = calculate(expression)
    except EINVAL as error:
        assert message is None or str(error).startswith(message)
    else:
        assert message is None, result
    assert time.monotonic() - start < 5


PIECES = st.sampled_from(
    ["9", "0", "1e300", "99999", "**", "**", "*", "/", "//", "%", "+", "-", "(", ")", ",", " ", "x",
     "^", "round(", "max(", "log(", "exp(", "floor(", "sqrt(", "e", "pi", ".", "=", "1,000", "\n",
     "[", "'", "lambda:", ":=", "__class__", "#", "\\", "\0", "\ud800", "j", "if", "@", "<<"]
)  # fmt: skip


@settings(max_examples=600, deadline=2000)
@given(st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=20))
def test_anything_ends_in_a_number_or_in_einval(expression: str) -> None:
    try:
        result = calculate(expression)
    except EINVAL:
        return
    assert float(result) == float(result) or len(result) > 300


def test_nothing_that_is_not_arithmetic_is_run() -> None:
    for expression in (
        "__import__('os').system('true')",
        "(lambda: 1)()",
        "print(1)",
        "open('/etc/passwd')",
        "[x for x in (1,)]",
        "().__class__.__base__.__subclasses__()",
        "max.__self__",
        "f'{1}'",
        "abs(abs)",
    ):
        with pytest.raises(EINVAL):
            calculate(expression)
