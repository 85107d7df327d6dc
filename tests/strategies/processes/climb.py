"""A searcher in a process: random at first, then near the best configuration. Its settings make it misbehave.

Settings: `quit_at`, the number of a suggestion at which the process ends, once (`marker` is a file that remembers it);
`hang_at`, where it stops answering; `raise_at`, where it fails; `finish_at`, where it has no more; `answer`, what it
suggests for every hyperparameter; `epochs`, for how long each trial is to train; `refuse`, why it refuses; `chatter`,
whether it prints to standard output.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "hypertune" / "strategies" / "processes"))

from serve import Hello, Refused, serve  # type: ignore[import-not-found]


class Climb:
    def __init__(self, hello: Hello) -> None:
        self.space, self.settings, self.seed = hello.space, hello.settings, hello.seed
        if "refuse" in self.settings:
            raise Refused(self.settings["refuse"])
        self.told: dict[int, float] = {}
        self.asked: dict[int, dict[str, float]] = {}

    def ask(self, number: int, pending: list[int]) -> Any:
        values = self.values(number)
        return (values, self.settings["epochs"]) if values and "epochs" in self.settings else values

    def values(self, number: int) -> dict[str, float] | None:
        if self.settings.get("chatter"):
            print("a library says hello")
        if number == self.settings.get("quit_at") and not Path(self.settings["marker"]).exists():
            Path(self.settings["marker"]).touch()
            print("out of luck", file=sys.stderr, flush=True)
            os._exit(3)
        if number == self.settings.get("hang_at"):
            time.sleep(3600)
        if number == self.settings.get("raise_at"):
            raise RuntimeError("no idea")
        if number == self.settings.get("finish_at"):
            return None
        if "answer" in self.settings:
            return {parameter.name: self.settings["answer"] for parameter in self.space}
        draw = random.Random(f"{self.seed} {number}")
        at = {parameter.name: draw.random() for parameter in self.space}
        if self.told:
            best = self.asked[min(self.told, key=lambda known: self.told[known])]
            at = {
                name: u if draw.random() < 0.3 else min(max(best[name] + draw.gauss(0, 0.1), 0.0), 1.0)
                for name, u in at.items()
            }
        self.asked[number] = at
        return {parameter.name: parameter.from_unit(at[parameter.name]) for parameter in self.space}

    def earlier(self, number: int, values: dict[str, float]) -> None:
        known = {p.name: p.to_unit(values[p.name]) for p in self.space if p.name in values}
        self.asked[number] = {p.name: known.get(p.name, 0.5) for p in self.space}

    def tell(self, number: int, loss: float) -> None:
        self.told[number] = loss

    def epoch(self, number: int, epoch: int, loss: float | None) -> None:
        pass


serve(Climb)
