"""Arithmetic, parsed and worked out here: no `eval`, and nothing that runs for long.

Whole numbers are exact. What people write is understood, too: `3 x 4`, `2^10`, `1,250 ÷ 4`.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable
from typing import Any

from ..syscalls import syscall
from ..syscalls.errno import EINVAL, did_you_mean

MAX_LENGTH = 1000
MAX_BITS = 10_000
"""Of a whole number: about 3000 digits."""

Number = int | float


@syscall(effect="pure", timeout=10)
def calculate(expression: str) -> str:
    """Work out an arithmetic expression.

    + - * / // % ** and brackets; sqrt, abs, round, min, max, sum, gcd, floor, ceil, exp, log, log2,
    log10, sin, cos, tan, asin, acos, atan, degrees, radians; pi and e.
    """
    if len(expression) > MAX_LENGTH:
        raise EINVAL(f"the expression has {len(expression)} characters, the limit is {MAX_LENGTH}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser's, about what is refused anyway
            tree = ast.parse(_as_python(expression), mode="eval")
        return _show(_value(tree.body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise EINVAL(f"not an arithmetic expression: {expression}") from None
    except ZeroDivisionError:
        raise EINVAL("division by zero") from None
    except OverflowError:
        raise EINVAL("the result is too large: the limit is about 1e308") from None


# ---- from what people write to what Python parses -----------------------------------------

_SIGNS = str.maketrans(
    {
        "\N{MULTIPLICATION SIGN}": "*",
        "\N{MIDDLE DOT}": "*",
        "\N{DIVISION SIGN}": "/",
        "\N{MINUS SIGN}": "-",
        "\N{EN DASH}": "-",
        "^": "**",
        "\n": " ",
    }
)
_TIMES = re.compile(r"(?<=[\d).])\s*[xX](?=[\s\d.(])")
_TOKEN = re.compile(
    r"(?P<name>[A-Za-z_]\w*\s*\()|(?P<thousands>(?<![\w.])\d{1,3}(?:,\d{3})+(?![\d,]))|."
)


def _as_python(expression: str) -> str:
    text = _TIMES.sub("*", expression.translate(_SIGNS)).strip().rstrip("=? ")
    return _without_thousands(text)


def _without_thousands(text: str) -> str:
    """`1,250` as 1250, but not right inside the brackets of a function: `max(1,250)` has two."""
    calls: list[bool] = []
    pieces = []
    position = 0
    while match := _TOKEN.match(text, position):
        piece = match[0]
        if match["thousands"] and calls and calls[-1]:
            piece = piece.partition(",")[0]
        elif match["thousands"]:
            pieces.append(piece.replace(",", ""))
            position = match.end()
            continue
        if piece.endswith("("):
            calls.append(bool(match["name"]))
        elif piece == ")" and calls:
            calls.pop()
        pieces.append(piece)
        position += len(piece)
    return "".join(pieces)


# ---- working it out -----------------------------------------------------------------------


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _bounded(_OPERATORS[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _bounded(_call(name, arguments))
        case ast.Name(id=name):
            return _constant(name)
    raise ValueError("not arithmetic")


def _bounded(number: Number) -> Number:
    if isinstance(number, complex):
        raise EINVAL("the result is not a real number")
    if isinstance(number, int) and number.bit_length() > MAX_BITS:
        raise _too_large()
    if isinstance(number, float) and not math.isfinite(number):
        raise OverflowError
    return number


def _too_large() -> EINVAL:
    digits = int(MAX_BITS * math.log10(2))
    return EINVAL(f"the result is too large: the limit for whole numbers is {digits} digits")


def _power(base: Number, exponent: Number) -> Number:
    """Looks at the size of the result before it is worked out."""
    whole = isinstance(base, int) and isinstance(exponent, int) and exponent > 0
    if whole and exponent * (int(abs(base)).bit_length() - 1) > MAX_BITS:
        raise _too_large()
    return base**exponent


_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}


def _round(number: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or abs(digits) > 400:
        raise EINVAL(f"round(number, digits): digits is a whole number up to 400, not {digits}")
    return round(number, digits) if digits else round(number)


def _whole(number: Number) -> int:
    if not isinstance(number, int):
        raise EINVAL(f"gcd takes whole numbers, not {number}")
    return number


_FUNCTIONS: dict[str, tuple[Callable[..., Number], int, int]] = {
    "abs": (abs, 1, 1),
    "acos": (math.acos, 1, 1),
    "asin": (math.asin, 1, 1),
    "atan": (math.atan, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "cos": (math.cos, 1, 1),
    "degrees": (math.degrees, 1, 1),
    "exp": (math.exp, 1, 1),
    "floor": (math.floor, 1, 1),
    "gcd": (lambda *numbers: math.gcd(*map(_whole, numbers)), 1, MAX_LENGTH),
    "log": (math.log, 1, 2),
    "log10": (math.log10, 1, 1),
    "log2": (math.log2, 1, 1),
    "max": (lambda *numbers: max(numbers), 1, MAX_LENGTH),
    "min": (lambda *numbers: min(numbers), 1, MAX_LENGTH),
    "radians": (math.radians, 1, 1),
    "round": (_round, 1, 2),
    "sin": (math.sin, 1, 1),
    "sqrt": (math.sqrt, 1, 1),
    "sum": (lambda *numbers: sum(numbers), 1, MAX_LENGTH),
    "tan": (math.tan, 1, 1),
}
_CONSTANTS = {"pi": math.pi, "e": math.e}


def _call(name: str, given: list[ast.expr]) -> Number:
    if name not in _FUNCTIONS:
        raise EINVAL(f"no function {name}", hint=_known(name, _FUNCTIONS))
    function, least, most = _FUNCTIONS[name]
    if not least <= len(given) <= most:
        count = f"{least}" if least == most else f"{least} to {most}"
        raise EINVAL(f"{name} takes {count} numbers, got {len(given)}")
    arguments = [_value(argument) for argument in given]
    try:
        return function(*arguments)
    except ValueError:
        shown = ", ".join(_show(argument) for argument in arguments)
        raise EINVAL(f"{name}({shown}) is not a real number") from None


def _constant(name: str) -> float:
    if name not in _CONSTANTS:
        raise EINVAL(f"no value {name}", hint=_known(name, _CONSTANTS))
    return _CONSTANTS[name]


def _known(name: str, names: dict[str, Any]) -> str:
    return did_you_mean(name, names) or f"there is {', '.join(sorted(names))}"


# ---- the result ---------------------------------------------------------------------------


def _show(number: Number) -> str:
    """Floats to 12 digits, so that 0.1 + 0.2 is 0.3; to more where 12 would cut whole digits."""
    if isinstance(number, int):
        return str(number)
    if abs(number) < 1e9:
        number = float(f"{number:.12g}")
    elif abs(number) < 1e15:
        number = float(f"{number:.15g}")
    return repr(number + 0.0)  # -0.0 is 0.0
