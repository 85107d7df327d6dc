"""What a study cannot change half-way: its records would mix two studies under one name."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from msgspec import to_builtins

from hypertune.space.space import Space
from hypertune.space.values import is_data, key_text, text_of, to_toml
from hypertune.study.study import Study

DIGESTS = ("space", "training", "prior", "warm_start")
OPTIONS = "strategies."
"""Before a strategy's name, in the name of the rule that its options do not change."""


def rules(study: Study, begun: Collection[str] | None = None) -> dict[str, str]:
    """What must not change, by its name in `compare`; strategies and seeds, which may be added to, are left out.

    Of the trainable this is the name without the module, which may have been `__main__`. Long values are replaced by
    digests, so that two can be compared without showing either.

    Args:
        begun: the strategies whose options must not change; all by default.
    """
    names = [name for name in study.strategies if begun is None or name in begun]
    training, space = study.training, study.space
    kept = set(training.__struct_fields__) - {"trainable", "max_epochs", "config"}
    others = {name: getattr(training, name) for name in sorted(kept)}
    return {
        "trainable": training.trainable.rpartition(":")[2],
        "budget": str(study.budget).replace(",", ""),  # as in the records of earlier versions
        "metric": study.metric,
        "mode": study.mode,
        "max_epochs": str(training.max_epochs),
        "space": _digest([_domains(space), space.sampled(), _constants(space)]),
        "training": _digest([others, to_toml(training.config)]),
        "prior": _digest([[name, guess.guess, guess.confidence] for name, guess in sorted(study.prior.items())]),
        "warm_start": _digest(to_builtins(study.warm_start)),
        **{f"{OPTIONS}{name}": _digest(to_toml(dict(study.options.get(name, {})))) for name in names},
    }


def changed(stored: Mapping[str, Any], asked: Mapping[str, str]) -> str | None:
    """The first thing that differs, `NAME: it is A, not B` where that can be shown; None if nothing differs."""
    for name, value in asked.items():
        if name in stored and stored[name] != value:
            short = name not in DIGESTS and not name.startswith(OPTIONS)
            return (
                f"{name}: is {stored[name]} in the study, not {value}" if short else f"{name}: differs from the study"
            )
    return None


def difference(stored: Study, asked: Study) -> str | None:
    """What of a study is asked for otherwise than it is stored; None if nothing is."""
    for name in ("strategies", "seeds"):
        if getattr(stored, name) != getattr(asked, name):
            return f"{name}: is {list(getattr(stored, name))} in the study, not {list(getattr(asked, name))}"
    return changed(rules(stored), rules(asked))


def _digest(value: Any) -> str:
    return hashlib.sha256(text_of(value).encode()).hexdigest()[:16]


def _domains(space: Space) -> list[Any]:
    return [[parameter.key, Space({"domain": parameter.domain}).to_toml()] for parameter in space.parameters()]


def _constants(space: Space) -> dict[str, Any]:
    """What is the same for all trials; objects change their looks from one process to the next."""
    searched = {parameter.name.split("/")[0] for parameter in space.parameters()}
    constants = {key_text(name): entry for name, entry in space.entries.items() if key_text(name) not in searched}
    return {name: text_of(entry) for name, entry in constants.items() if is_data(entry)}
