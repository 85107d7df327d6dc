"""`hypertune strategies`: every name whole in any width, and the same facts for programs."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from hypertune.space.space import Space
from hypertune.strategies import registry
from hypertune.strategies.listing import print_strategies, wrapped
from hypertune.strategies.plugin import FIDELITIES, SearcherPlugin, searcher

NAMES = [*registry.searchers(), *registry.schedulers()]


def listed(width: int = 80, format: str = "text", *, terminal: bool = False) -> str:
    file = io.StringIO()
    colours: Any = "standard" if terminal else "auto"
    print_strategies(Console(file=file, width=width, force_terminal=terminal, color_system=colours), format)
    return file.getvalue()


def blocks(text: str) -> dict[str, str]:
    """The block of each name, its lines joined."""
    parts = [part.splitlines() for part in text.split("\n\n")]
    return {part[0]: " ".join(line.strip() for line in part[1:]) for part in parts}


@pytest.mark.parametrize("width", [60, 80, 140])
def test_names_and_options_are_whole_and_lines_fit(width: int) -> None:
    text = listed(width)
    assert max(map(len, text.splitlines())) <= width
    found = blocks(text)
    for row in registry.describe():
        assert found[row.name].startswith(row.summary)
        for name in row.options:
            assert f" {name}=" in found[row.name]


@pytest.mark.parametrize("width", [1, 8, 20])
def test_a_very_narrow_terminal_breaks_lines_between_words_only(width: int) -> None:
    text = listed(width)
    assert set(NAMES) <= set(text.splitlines())
    assert text.split() == listed(140).split()


def test_there_is_no_escape_sequence_but_in_a_terminal() -> None:
    assert "\x1b" not in "".join(listed(format=format) for format in ("text", "md", "json"))
    assert "\x1b[1masha\x1b[0m" in listed(terminal=True)


def test_what_each_supports_in_words() -> None:
    found = blocks(listed(140))
    assert "supports: every kind of hyperparameter" in found["random"]
    assert "choices, grid_search; not conditional ones" in found["one_at_a_time"]
    assert "needs: a scheduler that trains trials for different numbers of epochs" in found["bohb"]
    assert "decides: synchronously:" in found["hyperband"]
    assert "checkpoints: needed" in found["hyperband"]
    assert "decides: asynchronously" in found["asha"]
    assert "checkpoints: not needed" in found["asha"]


def test_short_names_and_refused_pairs_come_last() -> None:
    last = listed(140).partition("Pairs")[2]
    assert "bohb means bohb+hyperband" in last
    reason = dict(registry.refused_pairs())["bohb+fifo"]
    assert f"\n  {reason}\n" in last


@pytest.fixture
def needy(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a searcher whose package is missing."""

    @searcher(summary="uses [a] *b*", supports=(), needs={FIDELITIES}, packages={"no_such_module": "no-such-package"})
    def needy(
        space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, spread: float = float("inf"),
        where: str | None = None, quick: bool = True,
    ) -> Any: ...  # fmt: skip

    plugins: dict[str, SearcherPlugin] = {"needy": needy}
    monkeypatch.setattr(registry, "searchers", lambda: plugins)
    return "needy"


def test_what_is_missing_is_told_as_the_registry_tells_it(needy: str) -> None:
    hint = registry.searchers()[needy].missing
    assert hint
    found = blocks(listed(140))[needy]
    assert found.startswith("uses [a] *b* supports: numbers; not integers")
    assert f"not installed: {hint}" in found
    assert "where=none, quick=true" in found
    text = listed(format="md")
    assert "- **`needy`**: uses \\[a] \\*b\\*\n" in text
    assert f"  - not installed: `{hint}`\n" in text


def test_json_is_what_its_docstring_says(needy: str) -> None:
    facts = json.loads(listed(20, "json"))
    assert set(facts) == {"searchers", "schedulers", "short_names", "refused"}
    assert facts["searchers"] == [
        {
            "name": "needy",
            "summary": "uses [a] *b*",
            "supports": [],
            "needs": ["fidelities"],
            "uses_prior": False,
            "warm_starts": False,
            "options": {"spread": None, "where": None, "quick": True},
            "install": registry.searchers()[needy].missing,
        }
    ]
    by_name = {row["name"]: row for row in facts["schedulers"]}
    assert by_name["asha"]["options"] == {"grace_period": 1, "reduction_factor": 3}
    assert (by_name["hyperband"]["needs_checkpoints"], by_name["hyperband"]["asynchronous"]) == (True, False)
    assert facts["short_names"] == registry.ALIASES
    assert [row["strategy"] for row in facts["refused"]] == ["needy+fifo"]
    assert facts["refused"][0]["reason"].startswith("needy learns from trials of different length")


def test_markdown_has_every_name_and_pair() -> None:
    text = listed(20, "md")
    assert [line.split("`")[1] for line in text.splitlines() if line.startswith("- **`")] == NAMES
    assert "- `bohb+fifo`: bohb learns" in text
    assert "  - options (defaults): `grace_period=1`, `reduction_factor=3`\n" in text


def test_lines_are_broken_between_words_with_a_hanging_indent() -> None:
    assert wrapped("options: n-initial=10 gamma=1.0", 24, 4, 2) == [
        "    options:",
        "      n-initial=10",
        "      gamma=1.0",
    ]
    assert wrapped("", 24) == [""]
