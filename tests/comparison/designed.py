"""Made-up records of designs, whose truth is known: no Ray, no torch, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hypertune.records.records import Book, Records
from hypertune.study.study import Study
from tests.comparison.synthetic import START, stamp

Truth = Callable[[dict[str, Any], int], float]
"""Configuration and epoch to the accuracy that repeated runs scatter around; NaN for a run that diverges there."""


def design_study(space: dict[str, Any], **changes: Any) -> Study:
    """A study of a grid over `space`; `design` and keys of `[study]` and `[training]` can be changed."""
    design = {"kind": "grid", **changes.pop("design", {})}
    training = {"trainable": "mlp", "dataset": "digits", "max_epochs": 2, **changes.pop("training", {})}
    table = {"name": "designed", "seeds": 5, "metric": "valid_accuracy", "mode": "max", "retrain": 0, **changes}
    return Study.parse({"study": table, "training": training, "space": space, "design": design})


def designed(study: Study, truth: Truth, *, noise: float = 0.002, absent: tuple[int, ...] = ()) -> Records:
    """What running the study would leave, the sweeps of the seeds `absent` cut off in their last trial.

    A run takes 1 s per epoch and has 100 weights, each multiplied by the hyperparameter `width` where there is one.
    """
    assert study.design is not None
    book, cells = Book(study), study.design.cells(study.space)
    for seed in study.seeds:
        book.apply({"event": "sweep", "strategy": study.design.kind, "seed": seed, "workers": 1, "at": stamp(0)})
        random = np.random.default_rng(seed)
        for index in random.permutation(cells.size):
            _run(book, study, cells.config(int(index)), seed, truth, random.normal(0, noise, study.training.max_epochs))
            if seed in absent:
                break
        if seed not in absent:
            done = {"event": "done", "strategy": study.design.kind, "seed": seed, "wall_s": 1.0, "decision_s": 0.0}
            book.apply({**done, "at": stamp(1)})
    facts = {"command": "hypertune compare designed.toml", "started_at": START.isoformat(), "workers": 1}
    return book.records(facts)


def _run(book: Book, study: Study, config: dict[str, Any], seed: int, truth: Truth, noise: Any) -> None:
    trial_id = f"{study.strategies[0]}_s{seed}_{len(book.trials):04d}"
    common = {"trial_id": trial_id, "wall_s": 0.5}
    book.apply({"event": "trial", "strategy": study.strategies[0], "seed": seed, "config": config, **common,
                "at": stamp(len(book.trials))})  # fmt: skip
    width = config.get("width", 1)
    for epoch in range(1, study.training.max_epochs + 1):
        value = truth(config, epoch)
        diverged = math.isnan(value)
        # As the built-in models do it: the weights are broken, their accuracy is a number like any other.
        accuracy = 0.99 if diverged else value + noise[epoch - 1]
        metrics = {study.metric: accuracy, "train_loss": math.nan if diverged else 1.0, "parameters": 100.0 * width}
        book.apply({"event": "epoch", "epoch": epoch, "metrics": metrics, "spent": 1, "node": None, "device": "cpu",
                    "elapsed_s": float(epoch * width), **common})  # fmt: skip
        if diverged:
            break
    status = "diverged" if diverged else "completed"
    book.apply({"event": "end", "status": status, "at": stamp(1), **common})
