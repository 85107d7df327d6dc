"""Numbers as people read them: as many digits as the interval justifies, a dash where one is missing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from hypertune.space.space import flatten

MISSING = "\N{EN DASH}"


def decimals(low: float, high: float) -> int:
    """Decimal places that show two significant digits of the interval's half-width."""
    half = (high - low) / 2
    if not math.isfinite(half) or half <= 0:
        return 4
    return max(0, min(6, 1 - math.floor(math.log10(half))))


def form_of(low: float, high: float, places: int | None = None) -> str:
    """How to format a value and the ends of its interval, for `format`: with an exponent where they are very large, or
    so small that nothing would be left of them.

    Args:
        places: decimals where there is no exponent; by default as many as the interval justifies.
    """
    largest, half = max(abs(low), abs(high)), (high - low) / 2
    if largest >= 1e7 or (0 < largest < 1e-3 and half < 1e-5):
        return ".3e"
    return f".{decimals(low, high) if places is None else places}f"


def number(value: float | None, digits: int = 4) -> str:
    """`value` to `digits` significant digits, thousands written out."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    if places > digits + 3 or abs(value) >= 1e7:
        return f"{value:.{digits - 1}e}"
    text = f"{value:.{max(places, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text and float(text).is_integer() else text


def with_interval(value: float, low: float, high: float, *, signed: bool = False, places: int | None = None) -> str:
    """E.g. `0.8812 [0.8790, 0.8830]`; the value alone where there is no interval; with its sign where `signed`.

    Args:
        places: decimals; by default as many as the interval justifies.
    """
    sign = "+" if signed else ""
    if not math.isfinite(value):
        return MISSING
    if not (math.isfinite(low) and math.isfinite(high)):
        plain = places is None or 0 < abs(value) < 10.0**-places
        return f"{sign if value >= 0 else ''}{number(value) if plain else f'{value:.{places}f}'}"
    form = form_of(low, high, places)
    return f"{value:{sign}{form}} [{low:{form}}, {high:{form}}]"


def shared_decimals(intervals: Iterable[tuple[float, float]]) -> int | None:
    """Decimals for a whole column of intervals: those of the narrowest one, but at most one more than the widest
    justifies; None where there is no interval."""
    places = [decimals(low, high) for low, high in intervals if math.isfinite(low) and high > low]
    return min(max(places), min(places) + 1) if places else None


def interval_of(low: float, high: float) -> str:
    """E.g. `[0.8790, 0.8830]`."""
    form = form_of(low, high)
    return f"[{low:{form}}, {high:{form}}]"


def duration(seconds: float | None) -> str:
    """E.g. `34.2 s`, `12 min 05 s`, `3 h 20 min`."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(value: float | None) -> str:
    """A mean count, e.g. `8` or `68.8`."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.1f}".removesuffix(".0")


def share(value: float | None) -> str:
    """A fraction as a percentage, e.g. `87 %`."""
    if value is None or not math.isfinite(value):
        return MISSING
    return "< 1 %" if 0 < value < 0.005 else f"{100 * value:.0f} %"


def setting(value: Any, digits: int = 3) -> str:
    """One hyperparameter's value to `digits` significant digits, e.g. `5.5e-4`, and all those before the point."""
    if isinstance(value, bool) or not isinstance(value, float):
        return "none" if value is None else str(value)
    if math.isfinite(value) and value != 0 and not 1e-2 <= abs(value) < 1e4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.{_significant(value, digits)}g}"


def rounded(value: float, digits: int) -> float:
    """As `setting` shows it."""
    return float(f"{value:.{_significant(value, digits)}g}")


def _significant(value: float, digits: int) -> int:
    """More digits where they stand before the point of a number that is written without an exponent."""
    return max(digits, len(f"{abs(value):.0f}")) if 1 <= abs(value) < 1e4 else digits


def configuration(config: Mapping[str, Any]) -> str:
    """A configuration on one line, e.g. `filters=14 lr=5.5e-4`."""
    return " ".join(f"{name}={setting(value)}" for name, value in flatten(config).items())


def best_configuration(text: object) -> str:
    """The table's `best_config`, JSON text or missing, on one line."""
    return configuration(json.loads(text)) if isinstance(text, str) else MISSING


def seeds_of(number: int) -> str:
    """E.g. `5 seeds`."""
    return f"{number} seed{'s' * (number != 1)}"


def listing(names: list[str] | tuple[str, ...], word: str = "and") -> str:
    """E.g. `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"
