"""How the value of a hyperparameter is spelled: in JSON (the journal, `comparison.csv`), and in TOML (`study.toml`).

Plain values are themselves in both. TOML has neither null nor tuples nor objects of Python; there a table with one key
stands for them: `{ literal = "None" }`, `{ tuple = [1, 2] }`, `{ list = [1, 2] }`, `{ array = [1, 2], dtype =
"int64" }`, `{ object = "package.module:Colour.RED" }`. In JSON a tuple and an array are lists, an object is its name.
"""

from __future__ import annotations

import ast
import datetime
import enum
import hashlib
import importlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

LARGEST_ARRAY = 1000
"""Most elements of an array that is written out; of a larger one only a digest is recorded."""
LONGEST_NAME = 200
KEY = "literal "
"""Prefix of a TOML key that stands for a key that is not text, as in `literal 1`."""


class Named(str):
    """An object that is known by its name alone, `package.module:attribute`, since it was read from a file."""

    __slots__ = ()

    def located(self, *, load: bool) -> Any:
        """The object.

        Args:
            load: whether its module may be imported for it.

        Raises:
            ValueError: if it cannot be found.
        """
        module, _, path = self.partition(":")
        try:
            found = importlib.import_module(module) if load else sys.modules[module]
            for name in path.split("."):
                found = getattr(found, name)
        except (ImportError, KeyError, AttributeError, ValueError):
            raise ValueError(
                f"{self} cannot be imported, so that trials cannot be given it; go on from Python, with "
                "compare(trainable=..., space=..., out=..., resume=True)"
            ) from None
        return found


def plain(value: Any) -> Any:
    """The value with Python's own numbers in place of numpy's, also inside of lists, tuples and tables."""
    if isinstance(value, np.generic):
        return plain(value.item())
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    if type(value) is dict:
        return {plain(key): plain(entry) for key, entry in value.items()}
    return value


def recorded(value: Any) -> Any:
    """The value as recorded in the journal; unchanged by any number of JSON round trips."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    value = plain(value)
    if isinstance(value, Mapping):
        return {key_text(key): recorded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [recorded(entry) for entry in value]
    if isinstance(value, np.ndarray) and value.size <= LARGEST_ARRAY:
        return recorded(value.tolist())
    return _simple(value) if _is_simple(value) else name_of(value)


def text_of(value: Any) -> str:
    """The recorded value as text that is equal for equal values, NaN included, and different for 1, 1.0 and True."""
    return json.dumps(recorded(value), sort_keys=True)


def to_toml(value: Any) -> Any:
    """The value as TOML can hold it, so that `from_toml` gives it back."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {toml_key(key): to_toml(entry) for key, entry in value.items()}
    if type(value) is list:
        return [to_toml(entry) for entry in value]
    if type(value) is tuple:
        return {"tuple": [to_toml(entry) for entry in value]}
    if isinstance(value, np.ndarray) and value.size <= LARGEST_ARRAY and value.dtype.kind in "biuf":
        return {"array": value.tolist(), "dtype": str(value.dtype)}
    if value is None or type(value) in (bytes, complex):
        return {"literal": repr(value)}
    if isinstance(value, datetime.date | datetime.time):
        return value  # TOML has them, too
    if type(value) is set and all(map(_is_simple, value)):
        return {"literal": f"{{{', '.join(sorted(map(repr, value)))}}}" if value else "set()"}
    return _simple(value) if _is_simple(value) else {"object": str(name_of(value))}


def from_toml(value: Any) -> Any:
    """The inverse of `to_toml`.

    Raises:
        ValueError: if a spelling is not valid Python.
    """
    if isinstance(value, list):
        return [from_toml(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    spelling = spelling_of(value)
    if spelling is not None:
        return SPELLINGS[spelling](value)
    return {from_key(key): from_toml(entry) for key, entry in value.items()}


def spelling_of(table: Mapping[str, Any]) -> str | None:
    """Which of `SPELLINGS` the TOML table is; None if it is an ordinary table."""
    kind = next((name for name in SPELLINGS if name in table), None)
    content = str if kind in ("literal", "object") else list
    known = {kind, "dtype"} if kind == "array" else {kind}
    return kind if kind and isinstance(table[kind], content) and set(table) <= known else None


def toml_key(key: Any) -> str:
    """A key of a table; one that is not text, such as 1, as `literal 1`."""
    return str(key) if isinstance(key, str) and not key.startswith(KEY) else f"{KEY}{key!r}"


def from_key(key: str) -> Any:
    """The inverse of `toml_key`; raises a ValueError for what no key can be."""
    if not key.startswith(KEY):
        return key
    literal = _literal(key.removeprefix(KEY))
    try:
        hash(literal)
    except TypeError:
        raise ValueError(f"{key!r}: no key of a dict in Python") from None
    return literal


def key_text(key: Any) -> str:
    """A key as it appears in JSON and in the names of hyperparameters."""
    return str(key) if isinstance(key, str) else str(recorded(key))


def live(value: Any) -> Any:
    """The value with the objects themselves in place of their names, imported from their modules.

    Raises:
        ValueError: if one cannot be imported.
    """
    if isinstance(value, Named):
        return value.located(load=True)
    if type(value) in (list, tuple):
        return type(value)(map(live, value))
    return {key: live(entry) for key, entry in value.items()} if type(value) is dict else value


def looked_up(value: Any) -> Any:
    """As `live`, but only from modules already loaded; other names stay names."""
    if isinstance(value, Named):
        try:
            return value.located(load=False)
        except ValueError:
            return value
    if type(value) in (list, tuple):
        return type(value)(map(looked_up, value))
    return {key: looked_up(entry) for key, entry in value.items()} if type(value) is dict else value


def flatten(config: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Nested configuration to one level, names joined by `/`, as in the columns `config/<name>`."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}/"))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def name_of(value: Any) -> Named:
    """What an object is called: where to import it from, else its `repr` without an address in memory."""
    if isinstance(value, Named):
        return value
    if isinstance(value, enum.Enum) and value.name:
        return Named(f"{type(value).__module__}:{type(value).__qualname__}.{value.name}")
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str):
        return Named(f"{module}:{name}{_place(value)}")
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).data if value.dtype != object else repr(value).encode())
        return Named(f"array of shape {value.shape}, {value.dtype}, {digest.hexdigest()[:12]}")
    described = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(repr(value).split()))
    if len(described) <= LONGEST_NAME:
        return Named(described)
    return Named(f"{described[:LONGEST_NAME]}... {hashlib.sha256(described.encode()).hexdigest()[:12]}")


def _place(value: Any) -> str:
    """Where an unnamed function was defined."""
    code = getattr(value, "__code__", None)
    if code is None or "<" not in value.__qualname__:
        return ""
    line, _, column, _ = next((p for p in code.co_positions() if p[2]), (code.co_firstlineno, None, 0, None))
    return f" in line {line}, column {column}"


def is_data(value: Any) -> bool:
    """Whether records hold the value itself rather than an object's name."""
    value = plain(value)
    if isinstance(value, Mapping):
        return all(map(is_data, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_data, value))
    return value is None or _is_simple(value) or isinstance(value, np.ndarray)


def _is_simple(value: Any) -> bool:
    return isinstance(value, bool | int | float | str) and not isinstance(value, enum.Enum | Named)


def _simple(value: Any) -> Any:
    """The value of exactly its type: numpy's text and floats are text and floats, too."""
    if isinstance(value, bool):
        return value
    return next(kind(value) for kind in (int, float, str) if isinstance(value, kind))


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(f'literal: a value as Python writes it, e.g. {{ literal = "None" }}, got {text!r}') from None


def _array(table: Mapping[str, Any]) -> Any:
    try:
        return np.array(table["array"], dtype=table.get("dtype"))
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"array: numbers in lists, with a numpy dtype ({error})") from None


SPELLINGS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "literal": lambda table: _literal(table["literal"]),
    "list": lambda table: from_toml(table["list"]),
    "tuple": lambda table: tuple(map(from_toml, table["tuple"])),
    "array": _array,
    "object": lambda table: Named(table["object"]),
}
