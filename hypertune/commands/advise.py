"""`hypertune advise`: recommends a strategy, a number of workers and a budget, with the evidence.

Without curves it is `advise_public` that answers.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hypertune.commands.advise_public import advise_public, favourite
from hypertune.commands.flags import ADVISED_WORKERS
from hypertune.commands.options import following
from hypertune.commands.simulate import Plan, planned, simulated
from hypertune.comparison.anytime import Axis, change_points, first_reached, on_points, steps_by_seed
from hypertune.comparison.capacity import at_knees, capacity_table, default_target, rows_of, sentences
from hypertune.comparison.numbers import duration, number, share
from hypertune.comparison.outcomes import Outcomes, outcomes
from hypertune.comparison.statistics import LEVEL, interval
from hypertune.records.records import Records
from hypertune.simulation.runner import Setting, processes
from hypertune.tuning.terminal import Terminal

CONFIDENT = 0.9
"""Share of the sweeps that reach the target within the recommended budget."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When the sweeps of one strategy on one number of workers reach the target, one entry per seed.

    Attributes:
        seconds, epochs: virtual time and epochs until then; for a sweep that never reaches it, until the sweep's end.
        there: whether the sweep reaches the target.
    """

    seconds: NDArray[np.float64]
    epochs: NDArray[np.float64]
    there: NDArray[np.bool_]


def arrivals(records: Records, target: float) -> dict[str, Arrivals]:
    """When each strategy's sweeps reach the target."""
    facts = outcomes(records)
    goal = target if records.study.mode == "max" else -target
    seconds, epochs = (_firsts(records, facts, axis, goal) for axis in ("wall_s", "epochs"))
    ledger = records.sweeps.set_index(["strategy", "seed"])
    found = {}
    for name in facts.strategies:
        there, ends = np.isfinite(seconds[name]), ledger.loc[name].loc[list(facts.seeds_of(name))]
        found[name] = Arrivals(
            seconds=np.where(there, seconds[name], ends["wall_s"]),
            epochs=np.where(there, epochs[name], ends["epochs"]),
            there=there,
        )
    return found


def _firsts(records: Records, facts: Outcomes, axis: Axis, goal: float) -> dict[str, NDArray[np.float64]]:
    """Where on the axis each strategy's sweeps reach the score, one entry per seed; infinite if never."""
    steps, end = steps_by_seed(records, facts, axis)
    found = {}
    for name, sweeps in steps.items():
        grid = change_points(sweeps, end)
        found[name] = first_reached(on_points(grid, sweeps), goal, grid)
    return found


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy on the number of workers at its knee.

    Attributes:
        ratio: its time to the target divided by the recommended strategy's: geometric mean over the seeds, then the
            ends of the 95 % t-interval (paired by seed).
    """

    strategy: str
    workers: int
    time_s: float
    cost_worker_s: float
    value: float
    arrivals: Arrivals
    ratio: tuple[float, float, float]

    def worse(self, best: Choice) -> bool:
        """Whether its time times its cost is significantly higher than the recommended strategy's."""
        return self.ratio[1] > math.sqrt(best.workers / self.workers)


@dataclass(frozen=True, slots=True)
class Advice:
    """The recommendation.

    Attributes:
        best: the first choice of `capacity.at_knees`.
        others: the other strategies that reach the target, in the same order.
        epochs: a budget within which a share `CONFIDENT` of the best choice's sweeps reach the target; if fewer do, the
            simulated one.
        table: as `capacity.capacity_table`.
    """

    best: Choice
    others: tuple[Choice, ...]
    epochs: int
    target: float
    table: pd.DataFrame


def advice_of(rows: Sequence[Mapping[str, Any]], found: Mapping[tuple[str, int], Arrivals], target: float) -> Advice:
    """The recommendation drawn from simulations on several numbers of workers.

    Args:
        rows: those of `capacity.rows_of`, for all strategies and numbers of workers.
        found: when sweeps reach the target, by strategy and number of workers.

    Raises:
        ValueError: if no strategy reaches the target.
    """
    table = capacity_table(rows)
    knees = at_knees(table)
    if not knees:
        raise ValueError(f"--target: no strategy reaches {number(target)} within the budget; give an easier target")
    best = found[knees[0]["strategy"], int(knees[0]["workers"])]
    choices = [_choice(row, found[row["strategy"], int(row["workers"])], best) for row in knees]
    epochs = math.ceil(np.quantile(best.epochs, CONFIDENT, method="inverted_cdf"))
    return Advice(choices[0], tuple(choices[1:]), epochs, target, table)


def _choice(row: Mapping[Any, Any], own: Arrivals, best: Arrivals) -> Choice:
    """The choice described by a row of the table, compared with the recommended one."""
    ratio = _ratio(own.seconds, best.seconds)
    return Choice(row["strategy"], int(row["workers"]), row["time_s"], row["cost_worker_s"], row["value"], own, ratio)


def _ratio(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> tuple[float, float, float]:
    """Geometric mean of the ratios of paired times, and its interval; the interval is NaN for a single seed."""
    logs = np.log(np.maximum(ours, 1e-9) / np.maximum(theirs, 1e-9))
    if len(logs) < 2:
        return float(np.exp(logs.mean())), math.nan, math.nan
    low, high = interval(logs)
    return float(np.exp(logs.mean())), float(np.exp(low)), float(np.exp(high))


def advise(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit code.

    Raises:
        ValueError: for wrong input.
    """
    from hypertune.commands.exit_codes import DONE

    if arguments.curves is None:
        advise_public(arguments)
        return DONE
    arguments.workers = ADVISED_WORKERS if arguments.workers is None else arguments.workers
    plan = planned(arguments)
    console = Terminal(quiet=arguments.quiet)
    console.print(plan.announcement, soft_wrap=True)
    advice, tally = _simulated(plan, arguments.target, console)
    tell(advice, plan.setting, tally, Terminal(), arguments)
    return DONE


def _simulated(plan: Plan, target: float | None, console: Console) -> tuple[Advice, Counter[str]]:
    """The recommendation, and the number of simulated trials by kind of curve."""
    rows: list[dict[str, Any]] = []
    found: dict[tuple[str, int], Arrivals] = {}
    tally: Counter[str] = Counter()
    with processes(plan.setting, plan.processes) as pool:
        for workers in plan.workers:
            facts = simulated(plan.setting, workers, pool, console)
            target = default_target(facts) if target is None else target
            rows += rows_of(facts, target, workers)
            found |= {(name, workers): arrived for name, arrived in arrivals(facts, target).items()}
            tally.update(facts.provenance["trials"])
    assert target is not None
    return advice_of(rows, found, target), tally


def tell(
    advice: Advice, setting: Setting, tally: Mapping[str, int], console: Console, arguments: argparse.Namespace
) -> None:
    """Prints the recommendation, its evidence, and the command that follows it."""
    study, best = setting.study, advice.best
    within = int((best.arrivals.epochs[best.arrivals.there] <= advice.epochs).sum())
    say = partial(console.print, soft_wrap=True)
    say(f"\n{best.strategy}, workers: {best.workers}, budget: {advice.epochs} epochs", style="bold")
    say(
        f"{within} of {len(best.arrivals.there)} simulated sweeps reach {study.metric} {number(advice.target)} within "
        f"that budget{'' if arguments.target is not None else ' (the final value of random search)'}."
    )
    if within < CONFIDENT * len(best.arrivals.there):
        say(
            f"The simulated budget, {study.budget} per sweep, is too small for {CONFIDENT:.0%} of them to reach it: "
            "give a larger --budget to learn what they need, or an easier --target."
        )
    say(sentences(advice.table[advice.table["strategy"] == best.strategy], study.metric, advice.target)[0] + ".")
    say(_rivals(advice))
    favoured = favourite(study, [best.strategy, *_equals(advice)], best.workers, advice.epochs)
    if favoured:
        say(favoured)
    console.print(_table(advice))
    never = [name for name in study.strategies if name not in set(advice.table.loc[advice.table["knee"], "strategy"])]
    if never:
        say(f"Not reached within {study.budget} by: {', '.join(never)}.")
    say(_evidence(setting, tally))
    say(following(arguments, best.strategy, f"epochs={advice.epochs}", best.workers))


def _equals(advice: Advice) -> list[str]:
    return [other.strategy for other in advice.others if not other.worse(advice.best)]


def _rivals(advice: Advice) -> str:
    equals = _equals(advice)
    if not advice.others:
        return "No other strategy reaches the target."
    if not equals:
        return f"In time times cost, all other strategies are significantly worse ({LEVEL:.0%} confidence)."
    return f"In time times cost, not significantly worse: {', '.join(equals)}."


def _table(advice: Advice) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("strategy", "workers", "time", "worker time", "there", "value", "times as long"):
        table.add_column(name, justify="left" if name == "strategy" else "right", no_wrap=True)
    for choice in (advice.best, *advice.others):
        mean, low, high = choice.ratio
        ratio = "" if choice is advice.best else f"{number(mean, 2)} [{number(low, 2)}, {number(high, 2)}]"
        there = share(float(choice.arrivals.there.mean()))
        costs = duration(choice.time_s), duration(choice.cost_worker_s)
        table.add_row(choice.strategy, str(choice.workers), *costs, there, number(choice.value), ratio)
    return table


def _evidence(setting: Setting, tally: Mapping[str, int]) -> str:
    told = setting.source.description()
    total = max(sum(tally.values()), 1)
    kinds = ", ".join(f"{share(trials / total)} {kind.replace('_', ' ')}" for kind, trials in tally.items() if trials)
    error = told.get("held_out", {}).get("mean_absolute_error")
    off = f"; mean error on held-out configurations {number(error, 2)}" if error is not None else ""
    return f"Curves: {kinds} ({told['lookup']}{off}). {len(setting.study.seeds)} seeds; time is virtual."
