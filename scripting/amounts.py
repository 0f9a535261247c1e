"""Amounts as a script writes them: `10_000`, `"10k"`, `"5m"`; for limits also `(soft, hard)`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Amount = int | float | str
    Limit = Amount | tuple[Amount | None, Amount | None]
    Limits = Mapping[str, Limit]

_MULTIPLES = {"k": 1_000, "m": 1_000_000}
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


def tokens(amount: Amount | None) -> int | None:
    """A number of tokens. Raises ValueError."""
    if amount is None:
        return None
    number = _number(amount, _MULTIPLES)
    if number < 1 or number != int(number):
        raise ValueError(f"{amount!r} is not a number of tokens (try 500 or '10k')")
    return int(number)


def limits(given: Limits | None) -> dict[str, float | list[float | None]]:
    """As a request takes them. Raises ValueError."""
    return {name: _limit(name, limit) for name, limit in (given or {}).items()}


def _limit(name: str, limit: Limit) -> float | list[float | None]:
    units = _UNITS_S if name.endswith("_s") else _MULTIPLES
    if isinstance(limit, tuple):
        return [None if one is None else _number(one, units) for one in limit]
    return _number(limit, units)


def _number(amount: Amount, units: dict[str, int]) -> float:
    if not isinstance(amount, str):
        return amount
    unit = units.get(amount[-1:].lower())
    try:
        return float(amount[:-1]) * unit if unit else float(amount)
    except ValueError:
        raise ValueError(f"{amount!r} is not an amount (try 500, '10k' or '90s')") from None
