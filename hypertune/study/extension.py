"""What may be added to a study that has begun: seeds, strategies, and when it ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hypertune.study.study import MAX_SEEDS, Study

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


def ending(given: Mapping[str, Any], *, already: bool) -> dict[str, Any]:
    """What is asked for about when a study ends, as fields of a study; `seeds` may be their number.

    Args:
        given: checked values of `seeds` (their number or a tuple), `until_decided`, `max_seeds`, `max_seconds` and
            `margin`, those that were given.
        already: whether the study runs until decided.

    Raises:
        ValueError: if they contradict each other; names the option of the command line.
    """
    fields = {name: given[name] for name in ("seeds", "until_decided", "max_seconds", "margin") if name in given}
    until = fields.get("until_decided", already and "seeds" not in fields)
    if until and "seeds" in fields:
        raise ValueError("--seeds: a number of seeds, or --until-decided with --max-seeds; give one of them")
    for name in ("max_seeds", "max_seconds"):
        if name in given and not until:
            raise ValueError(f"--{name.replace('_', '-')}: limits a study that runs until decided; add --until-decided")
    if "seeds" in fields:
        fields["until_decided"] = False
    elif "max_seeds" in given or (until and not already):
        fields |= {"seeds": given.get("max_seeds", MAX_SEEDS), "until_decided": True}
    return fields


def numbered(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `ending` for a new study: a number of seeds as the seeds from 0 on."""
    seeds = fields.get("seeds")
    return {**fields, "seeds": tuple(range(seeds))} if isinstance(seeds, int) else dict(fields)


def extended(study: Study, changes: Mapping[str, Any]) -> Study:
    """The study with the additions.

    Args:
        changes: fields of a study; `strategies` as `with_added` takes them; `seeds` as many as before or more, or their
            number.

    Raises:
        ValueError: one line, if anything that the study already has would change.
    """
    changes = dict(changes)
    if "strategies" in changes:
        changes["strategies"] = with_added(study, changes["strategies"])
    if changes.get("until_decided"):
        changes.setdefault("seeds", MAX_SEEDS)
    if "seeds" in changes:
        changes["seeds"] = _all_seeds(study, changes["seeds"], until=bool(changes.get("until_decided")))
    return study.replace(**changes)


def _all_seeds(study: Study, seeds: int | tuple[int, ...], *, until: bool) -> tuple[int, ...]:
    """The study's seeds and the further ones; `until` says that a number is a limit, which may be reached already."""
    if isinstance(seeds, int):
        have = len(study.seeds)
        if seeds < have and not until:
            raise ValueError(f"--seeds: the study has {have} seeds already; give as many or more, got {seeds}")
        return more_seeds(study, max(seeds, have))
    if lost := [seed for seed in study.seeds if seed not in seeds]:
        raise ValueError(
            f"seeds: the study already has seed {lost[-1]}; keep all of its {len(study.seeds)} seeds and add more"
        )
    return (*study.seeds, *(seed for seed in seeds if seed not in study.seeds))


def more_seeds(study: Study, count: int) -> tuple[int, ...]:
    """The study's seeds, extended to `count` of them."""
    further = (seed for seed in range(count + len(study.seeds)) if seed not in study.seeds)
    return (*study.seeds, *(next(further) for _ in range(count - len(study.seeds))))
