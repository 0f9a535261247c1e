"""`calculate` is exact on whole numbers, short on others, and reads what people write."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.plugins.calculator import calculate
from llmos.syscalls.errno import EINVAL


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("37 * 12", "444"),
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 ** 3 ** 2", "512"),
        ("-2 ** 2", "-4"),
        ("- -3", "3"),
        ("+4", "4"),
        ("7 // 2", "3"),
        ("-7 // 2", "-4"),
        ("7 % 3", "1"),
        ("7 / 2", "3.5"),
        ("144 / 12", "12.0"),
        ("12.5 * 8", "100.0"),
        ("1250 / 4", "312.5"),
        ("80 * 15 / 100", "12.0"),
        ("0.1 + 0.2", "0.3"),
        ("1.1 * 3", "3.3"),
        ("2 / 3", "0.666666666667"),
        ("1e20 * 1.0", "1e+20"),
        ("1 / 1000000", "1e-06"),
        ("-0.0", "0.0"),
        ("2469135780246 / 2", "1234567890123.0"),
        ("2469135780247 / 2", "1234567890123.5"),
        ("2 ** 100", "1267650600228229401496703205376"),
        ("2 ** -2", "0.25"),
        ("12345678901234567890 + 1", "12345678901234567891"),
        ("sqrt(16)", "4.0"),
        ("sqrt(2)", "1.41421356237"),
        ("abs(-5)", "5"),
        ("round(2.567, 1)", "2.6"),
        ("round(2.6)", "3"),
        ("min(3, 1, 2)", "1"),
        ("max(3, 1, 2)", "3"),
        ("max(7)", "7"),
        ("sin(0)", "0.0"),
        ("cos(pi)", "-1.0"),
        ("tan(pi / 4)", "1.0"),
        ("log(e)", "1.0"),
        ("log(8, 2)", "3.0"),
        ("log2(8) + log10(100)", "5.0"),
        ("degrees(asin(1))", "90.0"),
        ("gcd(12, 18) + sum(1, 2, 3)", "12"),
        ("exp(0)", "1.0"),
        ("floor(2.9)", "2"),
        ("ceil(2.1)", "3"),
        ("pi", "3.14159265359"),
    ],
)
def test_results(expression: str, result: str) -> None:
    assert calculate(expression) == result


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("2^10", "1024"),
        ("6 × 7", "42"),  # noqa: RUF001
        ("6 · 7", "42"),
        ("84 ÷ 2", "42.0"),
        ("44 − 2", "42"),  # noqa: RUF001
        ("6 x 7", "42"),
        ("6x7", "42"),
        ("6 X 7", "42"),
        ("(1 + 2) x (3 + 4)", "21"),
        ("2 x pi", "6.28318530718"),
        ("2 x max(3, 4)", "8"),
        ("exp(0) x 2", "2.0"),
        ("0x10", "0"),
        ("1,250 / 5", "250.0"),
        ("1,234,567 + 1", "1234568"),
        ("1,234.5 * 2", "2469.0"),
        ("max(1,250)", "250"),
        ("max(1,200,300)", "300"),
        ("max((1,250), 3)", "1250"),
        ("(1,000 + 1) * max(1, 2)", "2002"),
        ("2 + 2 =", "4"),
        ("2 + 2 = ?", "4"),
        ("  2 +\n 2 ", "4"),
    ],
)
def test_what_people_write(expression: str, result: str) -> None:
    assert calculate(expression) == result


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("5 / 0", "EINVAL: division by zero"),
        ("5 // 0", "EINVAL: division by zero"),
        ("5 % 0", "EINVAL: division by zero"),
        ("0 ** -1", "EINVAL: division by zero"),
        ("5 +", "EINVAL: not an arithmetic expression: 5 +"),
        ("", "EINVAL: not an arithmetic expression: "),
        ("six times seven", "EINVAL: not an arithmetic expression: six times seven"),
        ("1, 2", "EINVAL: not an arithmetic expression: 1, 2"),
        ("'a' * 3", "EINVAL: not an arithmetic expression: 'a' * 3"),
        ("True + 1", "EINVAL: not an arithmetic expression: True + 1"),
        ("3j", "EINVAL: not an arithmetic expression: 3j"),
        ("1 < 2", "EINVAL: not an arithmetic expression: 1 < 2"),
        ("x := 3", "EINVAL: not an arithmetic expression: x := 3"),
        ("[1][0]", "EINVAL: not an arithmetic expression: [1][0]"),
        ("(1).real", "EINVAL: not an arithmetic expression: (1).real"),
        ("max(*[1])", "EINVAL: not an arithmetic expression: max(*[1])"),
        ("round(1, digits=2)", "EINVAL: not an arithmetic expression: round(1, digits=2)"),
        ("__import__('os')", "EINVAL: no function __import__ (there is abs, acos, asin, atan,"),
        ("sqr(4)", "EINVAL: no function sqr (did you mean sqrt?)"),
        ("tau", "EINVAL: no value tau (there is e, pi)"),
        ("sqrt(-1)", "EINVAL: sqrt(-1) is not a real number"),
        ("log(0)", "EINVAL: log(0) is not a real number"),
        ("log(5, 1)", "EINVAL: division by zero"),
        ("gcd(4, 0.5)", "EINVAL: gcd takes whole numbers, not 0.5"),
        ("(-8) ** 0.5", "EINVAL: the result is not a real number"),
        ("sqrt(1, 2)", "EINVAL: sqrt takes 1 numbers, got 2"),
        ("log()", "EINVAL: log takes 1 to 2 numbers, got 0"),
        ("round(1, 0.5)", "EINVAL: round(number, digits): digits is a whole number up to 400"),
    ],
)
def test_what_is_wrong_is_named(expression: str, message: str) -> None:
    with pytest.raises(EINVAL) as caught:
        calculate(expression)
    assert str(caught.value).startswith(message)


numbers = st.integers(min_value=-(10**12), max_value=10**12)


Sum = tuple[str, Fraction]


def leaf(number: int) -> Sum:
    return (str(number) if number >= 0 else f"({number})"), Fraction(number)


def joined(left: Sum, sign: str, right: Sum) -> Sum:
    """Two sums as one, its value worked out with fractions."""
    (text, a), (other, b) = left, right
    value = {"+": a + b, "-": a - b, "*": a * b}[sign]
    return f"({text} {sign} {other})", value


sums = st.recursive(
    numbers.map(leaf),
    lambda inner: st.builds(joined, inner, st.sampled_from("+-*"), inner),
    max_leaves=12,
)


@given(sums)
def test_whole_numbers_are_exact(case: Sum) -> None:
    expression, value = case
    if len(expression) <= 1000 and abs(value) < 10**3000:
        assert Fraction(calculate(expression)) == value


@given(numbers, numbers.filter(bool))
def test_a_quotient_is_the_nearest_float_to_12_digits(a: int, b: int) -> None:
    assert math.isclose(float(calculate(f"{a} / ({b})")), a / b, rel_tol=1e-11, abs_tol=1e-300)
    assert calculate(f"{a} // ({b}) * ({b}) + {a} % ({b})") == str(a)


@given(
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from("+-*"),
)
def test_floats_agree_with_python(a: float, b: float, sign: str) -> None:
    expected = {"+": a + b, "-": a - b, "*": a * b}[sign]
    result = float(calculate(f"({a!r}) {sign} ({b!r})"))
    assert math.isclose(result, expected, rel_tol=1e-11, abs_tol=1e-300)


@given(st.integers(min_value=0, max_value=10**15))
def test_thousands_commas_change_nothing(number: int) -> None:
    assert calculate(f"{number:,} + 0") == str(number)
