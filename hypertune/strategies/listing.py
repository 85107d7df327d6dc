"""`hypertune strategies`: the installed searchers and schedulers, what each supports, and invalid pairs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from rich.console import Console

from hypertune.strategies import registry
from hypertune.strategies.plugin import FEATURES, FIDELITIES
from hypertune.strategies.registry import Row

FORMATS = ("text", "md", "json")
INDENT = 4
WORDS = {
    "integer": "integers and steps",
    "log": "logarithmic scales",
    "normal": "normal distributions",
    "categorical": "choices",
    "grid": "grid_search",
    "conditional": "conditional ones",
}
"""What a searcher can support besides plain bounded numbers, in the order of the listing."""
assert WORDS.keys() == FEATURES
KINDS = {
    "searcher": "Searchers, which propose configurations",
    "scheduler": "Schedulers, which stop, pause or promote trials",
}
EVERY_KIND = f"Kinds of hyperparameters besides plain numbers: {', '.join(WORDS.values())}."
PAIRS = (
    "A strategy is searcher+scheduler, e.g. hyperopt+asha. A searcher alone runs with fifo, a scheduler alone with "
    "random."
)


def print_strategies(console: Console, format: str = "text") -> None:
    """Prints searchers, schedulers, short names and the refused pairs with their reasons.

    Args:
        format: `text`, fitted to the console's width; `md`; or `json`, see `as_json`.
    """
    rows = registry.describe()
    if format == "text":
        with console.capture() as captured:
            _print_text(console, rows)
        told = captured.get()
    else:
        told = as_json(rows) if format == "json" else as_markdown(rows)
    # Not through the console: it would wrap lines, read brackets as markup, and fail when `| head` closes the pipe.
    console.file.write(told)


def as_json(rows: list[Row]) -> str:
    """A JSON object for programs; keys may be added in later versions, never removed.

    - `searchers`: objects with `name`, `summary`, `supports` (of `plugin.FEATURES`), `needs`, `uses_prior` (whether it
      uses the study's `[prior]`), `warm_starts` (whether it learns from an earlier study's trials), `options` (name to
      default, or null) and `install` (the command to run before it can be used, or null), sorted by name;
    - `schedulers`: the same, but with `needs_checkpoints` and `asynchronous` instead of `supports`, `needs`,
      `uses_prior` and `warm_starts`;
    - `short_names`: short name to the `searcher+scheduler` it stands for;
    - `refused`: objects with `strategy` and `reason`, for pairs that are invalid on every search space.
    """
    own = {
        "searcher": ("supports", "needs", "uses_prior", "warm_starts"),
        "scheduler": ("needs_checkpoints", "asynchronous"),
    }
    facts = {
        f"{kind}s": [
            {
                **{name: getattr(row, name) for name in ("name", "summary", *own[kind])},
                "options": row.options,
                "install": row.missing,
            }
            for row in rows
            if row.kind == kind
        ]
        for kind in KINDS
    }
    refused = [{"strategy": name, "reason": _reason(name, told)} for name, told in registry.refused_pairs()]
    plain = msgspec.json.encode({**facts, "short_names": registry.ALIASES, "refused": refused}, enc_hook=repr)
    return msgspec.json.format(plain, indent=2).decode() + "\n"


def as_markdown(rows: list[Row]) -> str:
    """A list per kind; names, options and commands as code."""
    lines = []
    for kind, title in KINDS.items():
        lines += [f"## {title}", "", *([EVERY_KIND, ""] if kind == "searcher" else [])]
        for row in (row for row in rows if row.kind == kind):
            lines.append(f"- **`{row.name}`**: {_escaped(row.summary)}")
            lines += [f"  - {label}: {text}" for label, text in _facts(row, code=True)]
        lines.append("")
    lines += ["## Pairs", "", PAIRS, ""]
    lines += [f"- `{short}` means `{long}`" for short, long in registry.ALIASES.items()]
    lines += ["", _refused_title(), ""]
    lines += [f"- `{name}`: {_escaped(_reason(name, told))}" for name, told in registry.refused_pairs()]
    return "\n".join(lines).rstrip() + "\n"


def _print_text(console: Console, rows: list[Row]) -> None:
    def say(text: str, style: str | None = None, indent: int = 0, hang: int = 0) -> None:
        for line in wrapped(text, console.width, indent, hang):
            console.print(line, style=style, soft_wrap=True, markup=False, highlight=False)

    for kind, title in KINDS.items():
        say(title, "bold underline")
        if kind == "searcher":
            say("")
            say(EVERY_KIND)
        for row in (row for row in rows if row.kind == kind):
            say("")
            say(row.name, "bold")
            say(row.summary, indent=INDENT)
            for label, text in _facts(row):
                say(f"{label}: {text}", indent=INDENT, hang=2)
        say("")
    say("Pairs", "bold underline")
    say("")
    say(PAIRS)
    say("Short names: " + ", ".join(f"{short} means {long}" for short, long in registry.ALIASES.items()) + ".")
    say("")
    say(_refused_title())
    for name, told in registry.refused_pairs():
        say(f"{name}: {_reason(name, told)}", indent=2, hang=2)


def wrapped(text: str, width: int, indent: int = 0, hang: int = 0) -> list[str]:
    """Lines of at most `width` columns, broken between words only; all are indented, those after the first by `hang`
    more, as far as half the width allows."""
    first = min(indent, width // 4)
    rest = min(indent + hang, width // 4)
    return textwrap.wrap(
        text, width, initial_indent=" " * first, subsequent_indent=" " * rest, break_long_words=False,
        break_on_hyphens=False,
    ) or [""]  # fmt: skip


def _facts(row: Row, *, code: bool = False) -> Iterator[tuple[str, str]]:
    """Facts about a searcher or scheduler besides its summary, as label and text."""
    mark = "`" if code else ""
    if row.supports is not None:
        yield "supports", _supported(row.supports)
    if FIDELITIES in (row.needs or ()):
        yield "needs", "a scheduler that trains trials for different numbers of epochs"
    if row.uses_prior:
        yield "prior", "used, the study's [prior]"
    if row.warm_starts:
        yield "warm start", "learns from the trials of an earlier study (--warm-start)"
    if row.asynchronous is not None:
        waiting = "asynchronously, without waiting", "synchronously: trials wait for each other"
        yield "decides", waiting[0 if row.asynchronous else 1]
    if row.needs_checkpoints is not None:
        yield "checkpoints", "needed, since it pauses trials" if row.needs_checkpoints else "not needed"
    options = [f"{mark}{name}={_default(value)}{mark}" for name, value in row.options.items()]
    yield "options (defaults)", ", ".join(options) or "none"
    if row.missing:
        yield "not installed", f"{mark}{row.missing}{mark}"


def _supported(supports: Iterable[str]) -> str:
    having = ["numbers", *(word for feature, word in WORDS.items() if feature in supports)]
    lacking = [word for feature, word in WORDS.items() if feature not in supports]
    return f"{', '.join(having)}; not {', '.join(lacking)}" if lacking else "every kind of hyperparameter"


def _default(value: Any) -> str:
    """The default as in a study file, or `none`, which no study file contains."""
    return "none" if value is None else json.dumps(value, default=repr)


def _reason(name: str, told: str) -> str:
    """The reason without the name that it begins with."""
    return told.removeprefix(f"{name}: ")


def _refused_title() -> str:
    return "Every pair is valid except:" if registry.refused_pairs() else "Every pair is valid."


def _escaped(text: str) -> str:
    for sign in "\\`*_<[":
        text = text.replace(sign, f"\\{sign}")
    return text
