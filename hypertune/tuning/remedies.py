"""What a trainable raised, in one line, with a remedy where the reason lies in how Ray runs a trial."""

from __future__ import annotations

import os
import re

from hypertune.records.failures import one_line

REMEDIES = (
    (r"report\(\) got an unexpected keyword argument", 'tune.report takes a dictionary: tune.report({"loss": loss})'),
    (r"`ray\.(train|air)\.", "use ray.tune's function of the same name, e.g. tune.report or tune.get_checkpoint"),
    (
        r"signal only works in main thread",
        "a function trains in a thread: set signal handlers in a class derived from tune.Trainable",
    ),
)
"""Patterns of messages, each with its remedy."""
NESTED = re.compile(r"No trial resources are available for launching the (task|actor) `([^`]+)`")


def described(error: BaseException) -> str:
    """`Type: message (remedy)`, in one line."""
    message = one_line(str(error))
    if nested := NESTED.search(message):
        kind, name = nested[1], nested[2].rpartition(".")[2]
        return (
            f"{type(error).__name__}: no resources are reserved for the {kind} {name} that the trial starts; reserve "
            'some: tune.with_resources(train, tune.PlacementGroupFactory([{"CPU": 1}] * 2))'
        )
    told = f"{type(error).__name__}: {message}" if message else type(error).__name__
    remedy = _remedy(error, message)
    return f"{told} ({remedy})" if remedy else told


def _remedy(error: BaseException, message: str) -> str:
    name = getattr(error, "filename", None)
    if isinstance(error, FileNotFoundError) and isinstance(name, str) and not os.path.isabs(name):
        return "a trial runs in a folder of its own: use an absolute path"
    return next((remedy for pattern, remedy in REMEDIES if re.search(pattern, message)), "")
