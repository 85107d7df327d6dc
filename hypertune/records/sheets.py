"""Tables as CSV files that no spreadsheet runs and no terminal obeys, and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from hypertune.storage.printable import CONTROLS, escaped

_CONTROL = re.compile(f"[{CONTROLS}]")
_TO_ESCAPE = re.compile(rf"[{CONTROLS}]|\\(?=x[0-9a-f]{{2}}|u[0-9a-f]{{4}})")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})")
_FORMULA = re.compile(r"[=+\-@\t\n\r\uff1d\uff0b\uff0d\uff20]")
"""Beginnings of cells that spreadsheets take for formulas (OWASP, CSV Injection)."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
MARK = "'"
"""Precedes text that has been changed; spreadsheets take it for the beginning of text."""


def to_csv(frame: pd.DataFrame) -> str:
    """The table as CSV that no spreadsheet runs: text that begins like a formula or has control characters is preceded
    by an apostrophe, and these are written as `\\x1b`. Numbers stay as they are; `from_csv` reverses it."""
    return _each(frame, _cell).to_csv(index=False)


def from_csv(frame: pd.DataFrame) -> pd.DataFrame:
    """The table of `to_csv` as it was, once pandas has read it."""
    return _each(frame, _original)


def _each(frame: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """The table with every text in it changed, those of its header included."""
    columns = [frame.iloc[:, number] for number in range(frame.shape[1])]
    if not columns:
        return frame
    changed = [column.map(change) if _may_hold_text(column) else column for column in columns]
    return pd.concat(changed, axis=1).set_axis([change(name) for name in frame.columns], axis=1)


def _may_hold_text(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column))


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return f"{MARK}{_escape(value)}" if _acts(value) or _looks_marked(value) else value


def _acts(text: str) -> bool:
    return bool(_CONTROL.search(text) or (_FORMULA.match(text) and not _NUMBER.fullmatch(text)))


def _looks_marked(text: str) -> bool:
    """Whether it would be taken for text that has been changed, and must be marked for that reason."""
    core = text.lstrip(MARK)
    return core != text and _acts(original := _unescape(core)) and _escape(original) == core


def _escape(text: str) -> str:
    return _TO_ESCAPE.sub(escaped, text)


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), text)


def _original(cell: Any) -> Any:
    if not isinstance(cell, str) or not cell.startswith(MARK):
        return cell
    text = _unescape(cell[1:])
    return text if _cell(text) == cell else cell
