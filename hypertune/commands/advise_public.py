"""`hypertune advise` without curves: what simulations on public tables say about a study before its first trial."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from rich.console import Console
from rich.table import Table

from hypertune.commands.options import following, overridden
from hypertune.comparison.numbers import number, share
from hypertune.comparison.public_tables import Advised, Setting, Tally, advised, kinds, known_strategies, public_tables
from hypertune.strategies.checks import check_names
from hypertune.study.study import Study
from hypertune.tuning.terminal import Terminal

NEED_CURVES = ("target", "epoch_seconds", "costs", "processes")
"""Options of simulations."""


def advise_public(arguments: argparse.Namespace) -> None:
    """Prints which of the study's strategies to take, and how far that can be relied on.

    Raises:
        ValueError: for wrong input.
    """
    for name in NEED_CURVES:
        if getattr(arguments, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')}: is for simulations; give --curves, too")
    study = overridden(Study.load(arguments.study), arguments)
    check_names(study)
    setting = setting_of(study, _workers(arguments.workers, study))
    names = _known(study, study.strategies)
    if not names:
        raise ValueError(
            f"study.strategies: none of {', '.join(study.strategies)} has been simulated on public tables with its "
            f"default options; give --strategies with some of {', '.join(known_strategies())}, or --curves"
        )
    _tell(study, setting, advised(setting, names), Terminal(), arguments)


def setting_of(study: Study, workers: int) -> Setting:
    """What is known of the study.

    Raises:
        ValueError: for a budget in seconds, which says nothing about full trainings.
    """
    budget = study.budget
    if budget.unit == "seconds":
        raise ValueError(
            f"study.budget: {budget} is of no known number of full trainings; give --budget epochs=N or trials=N, or "
            f"--curves"
        )
    full = budget.amount / (study.training.max_epochs if budget.unit == "epochs" else 1)
    return Setting(kinds(study.space), workers, full)


def favourite(study: Study, strategies: Sequence[str], workers: int, epochs: int) -> str | None:
    """A sentence on which of these strategies, that a study's own curves do not tell apart, the tables favour; None if
    they cannot say better than chance."""
    names = _known(study, strategies)
    if len(names) < 2:
        return None
    told = advised(Setting(kinds(study.space), workers, epochs / study.training.max_epochs), names)
    if told.collection_out.advised <= told.collection_out.chance:
        return None
    return f"Of these, public tables favour {told.strategy}; your own curves count more."


def _known(study: Study, strategies: Sequence[str]) -> list[str]:
    """Those that have been simulated on the tables, with the options that they have in this study."""
    return [name for name in strategies if name in known_strategies() and name not in study.options]


def _workers(text: str | None, study: Study) -> int:
    if text is None:
        return study.resources.max_workers or 1
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"--workers: one whole number from 1 without --curves, got {text!r}")
    return int(text)


def _tell(study: Study, setting: Setting, told: Advised, console: Console, arguments: argparse.Namespace) -> None:
    say = partial(console.print, soft_wrap=True)
    say(f"{told.strategy}, from public tables", style="bold")
    for sentence in sentences(study, setting, told):
        say(sentence)
    console.print(_table(told))
    left_out = [name for name in study.strategies if name not in told.shares]
    if left_out:
        say(f"Not known from the tables, with these options: {', '.join(left_out)}.")
    say("Recorded curves of this model say more: hypertune advise STUDY --curves DIR, the folder of any study of it.")
    say(following(arguments, told.strategy, arguments.budget, arguments.workers))


def sentences(study: Study, setting: Setting, told: Advised) -> list[str]:
    """How the advice came about, and how often such advice is right."""
    rows = public_tables()
    sizes = rows.groupby("collection")["table"].nunique()
    named = ", ".join(f"{name} ({count})" for name, count in sizes.items())
    margin = "the margin (0.005 of accuracy, or 1 % of the best loss)"
    return [
        f"{told.table_out.tables} public tables of learning curves: {named}; simulated with {told.budget} full "
        f"trainings per sweep, {told.workers} at a time. This study: {number(setting.budget, 3)} full trainings of "
        f"{study.training.max_epochs} epochs, {number(setting.workers)} at a time, {sum(setting.kinds)} "
        f"hyperparameters.",
        _how(told),
        f"Leaving out each table in turn, the strategy advised by the others was within {margin} of the best of these "
        f"{len(told.shares)} on {_figures(told.table_out, told)}",
        f"Leaving out all tables of a collection, as this study is in none: on {_figures(told.collection_out, told)}"
        f"{_warning(told.collection_out, told)}",
    ]


def _how(told: Advised) -> str:
    if told.alike:
        return "Tables count the more the more alike they are in hyperparameters, budget and workers."
    return "How alike the tables are to this study does not improve the advice, so that all count the same."


def _right(tally: Tally, told: Advised) -> float:
    return tally.advised if told.alike else tally.same


def _figures(tally: Tally, told: Advised) -> str:
    own = f"{number(_right(tally, told), 3)} of {tally.tables} tables ({share(_right(tally, told) / tally.tables)})"
    fixed = f"always the same one on {number(tally.same, 3)}, " if told.alike else ""
    return f"{own}; {fixed}a random one on {number(tally.chance, 3)}."


def _warning(tally: Tally, told: Advised) -> str:
    right = _right(tally, told)
    if right <= tally.chance:
        return " That is no better than chance: for a study like none of the tables this is no advice."
    if told.alike and right <= tally.same:
        return " That is no better than always taking the same one."
    return ""


def _table(told: Advised) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("strategy", no_wrap=True)
    table.add_column(f"within the margin, {'weighted, ' if told.alike else ''}no table left out", justify="right")
    for name, part in told.shares.items():
        table.add_row(name, share(part))
    return table
