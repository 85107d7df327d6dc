"""What may be added to a study that has begun: seeds, strategies, and when it ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypertune.study.study import Study

ADDED = "+"
"""Before the name of a strategy that is added to those of the study."""


def with_added(study: Study, names: Iterable[str]) -> tuple[str, ...]:
    """The study's strategies and those that are added, given as `+pb2`.

    Raises:
        ValueError: if a name without the sign is not in the study.
    """
    names, added = list(names), []
    given = [name for name in names if not name.startswith(ADDED)]
    left = [name for name in study.strategies if name not in given]
    if left and given == names and all(name in study.strategies for name in given):
        raise ValueError(f"strategies: the study has {left[0]} too; leave strategies out, or add some as +name")
    for name in names:
        plain = name.removeprefix(ADDED)
        if plain == name and name not in study.strategies:
            raise ValueError(f"strategies: to add one to a study that has begun, write +{name}, got {name}")
        if plain not in study.strategies and plain not in added:
            added.append(plain)
    return (*study.strategies, *added)


def extended(study: Study, changes: dict[str, Any]) -> Study:
    """The study with the additions.

    Args:
        changes: fields of a study; `strategies` as `with_added` takes them; `seeds` as many as before or more.

    Raises:
        ValueError: one line, if anything that the study already has would change.
    """
    changes = dict(changes)
    if "strategies" in changes:
        changes["strategies"] = with_added(study, changes["strategies"])
    if changes.get("until_decided") and "seeds" not in changes:
        changes["seeds"] = more_seeds(study, max(len(study.seeds), 30))
    if "seeds" in changes:
        lost = [seed for seed in study.seeds if seed not in changes["seeds"]]
        if lost:
            raise ValueError(
                f"seeds: the study already has seed {lost[-1]}; keep all of its {len(study.seeds)} seeds and add more"
            )
        added = [seed for seed in changes["seeds"] if seed not in study.seeds]
        changes["seeds"] = (*study.seeds, *added)
        changes.setdefault("until_decided", False)
    if not changes.get("until_decided", study.until_decided):
        changes.setdefault("max_seconds", None)
    return study.replace(**changes)


def more_seeds(study: Study, count: int) -> tuple[int, ...]:
    """The study's seeds, extended to `count` of them."""
    further = (seed for seed in range(count + len(study.seeds)) if seed not in study.seeds)
    return (*study.seeds, *(next(further) for _ in range(count - len(study.seeds))))
