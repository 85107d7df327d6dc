"""The Python interface: `compare` runs a study and returns its `Result`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hypertune.arguments import shortened
from hypertune.asked import added_to, as_arguments, in_python, names_checked, study_of
from hypertune.records.records import Event, read_provenance, stored_study
from hypertune.report.outputs import write_outputs
from hypertune.result import Result, load
from hypertune.shown import closing, display_of
from hypertune.space.space import Space
from hypertune.storage.patience import outputs_in
from hypertune.storage.storage import Place, as_place, local_copy
from hypertune.storage.workspace import workspace
from hypertune.study.file import Budget, Resources
from hypertune.study.rules import difference
from hypertune.study.study import Study
from hypertune.tuning.driver import Circumstances

if TYPE_CHECKING:
    from hypertune.tuning.reading import Reading

__all__ = ["Result", "compare", "load", "run", "write_outputs"]

ENDING = ("strategies", "seeds", "margin", "until_decided", "max_seconds")
"""Fields of a study that may be added to after it has begun."""
EXTENDING = (*ENDING, "max_seeds")  # the arguments that add to them
Trainable = type | Callable[..., Any]


@names_checked
def compare(
    study: Study | str | os.PathLike[str] | None = None,
    *,
    trainable: Trainable | str | None = None,
    space: Mapping[str, Any] | Space | None = None,
    strategies: str | Iterable[str] | None = None,
    seeds: int | Iterable[int] | None = None,
    budget: Mapping[str, float] | Budget | str | None = None,
    metric: str | None = None,
    mode: Literal["min", "max"] | None = None,
    max_epochs: int | None = None,
    time_attr: str | None = None,
    give_up_after: int | None = None,
    margin: float | None = None,
    until_decided: bool | None = None,
    max_seeds: int | None = None,
    max_seconds: float | None = None,
    resources: Mapping[str, float | str] | Resources | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    prior: Mapping[str, Mapping[str, Any]] | None = None,
    warm_start: Place | None = None,
    name: str | None = None,
    out: Place | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    address: str | None = None,
    dashboard_host: str | None = None,
    resume: bool = False,
    progress: Literal["auto"] | bool = "auto",
    observers: Iterable[Callable[[Event], None]] = (),
) -> Result:
    """Compares search strategies on a study or on your own Ray Tune trainable.

    Examples:
        >>> compare("digits_cnn", strategies="random,asha", seeds=5)
        >>> compare(trainable=train, space={"lr": tune.loguniform(1e-4, 1e-1)}, metric="loss", mode="min")

    Args:
        study: a `Study`, a study file or the name of a shipped study. The other arguments override its settings, as
            options do on the command line.
        trainable: a Ray Tune trainable, function or class, as you would pass it to `tune.Tuner`, or its import path,
            `package.module:attribute`. Without a study it also needs `space`, `metric` and `mode`.
        space: its `param_space`, unchanged: Ray Tune domains and constants.
        strategies: names such as `random` or `hyperopt+asha`, as a list or separated by commas; by default `random`,
            `bayes`, `hyperband`, `hyperopt`, `asha` and `optuna`.
        seeds: the number of sweeps per strategy, or a list of their seeds; by default 3.
        budget: what each sweep may spend: `{"epochs": 200}`, `{"trials": 20}` or `{"seconds": 600}`; by default 20
            full trainings' worth of epochs.
        metric, mode: the reported number to optimise, and whether to `"max"` or `"min"` it.
        max_epochs: epochs (reports) of a full training; by default 10. A trial that trains longer is stopped there.
        time_attr: the reported whole number that says how far a training is, e.g. `"epoch"`; by default the reports
            are counted, whatever they hold.
        give_up_after: end the study if this many trials fail before any trial reports; by default 10, 0 for never.
        margin, until_decided, max_seeds, max_seconds: when a study is decided and ends; see `search_spaces/README.md`.
        resources: of one trial, `{"cpus_per_trial": 1, "gpus_per_trial": 0}`; not where the trainable asks for its own,
            by `tune.with_resources` or `default_resource_request`.
        options: strategy name to its options; `hypertune strategies` lists them.
        prior: guesses, `{"lr": {"guess": 1e-3, "confidence": "high"}}`, for strategies that can use them.
        warm_start: folder or URL of an earlier study of the same space; strategies that can learn from its trials do.
        name: of the study; by default that of the trainable.
        out: output folder, or its URL on shared storage (`s3://bucket/path`); by default below `hypertune-out`.
        data_dir: folder that already has the data sets.
        address: a running Ray cluster (`"auto"`, `"HOST:PORT"`); by default Ray starts on this machine.
        dashboard_host: address on which the dashboard of a local Ray listens; by default on this machine alone.
        resume: continue the study in `out` with its own settings. A trainable that cannot be imported has to be given
            again. A study can be added to; only what is missing is run: `seeds`, `strategies="+pb2,+smac"`,
            `until_decided`, `max_seeds`, `max_seconds`, `margin`.
        progress: whether to show progress, time left and failures on stderr: a bar in a terminal, a live display in a
            notebook, lines elsewhere. False shows nothing; True is `"auto"`.
        observers: called with every event of the journal.

    Returns:
        The result. Ctrl-C ends the study early but cleanly: see `Result.interrupted`.

    Raises:
        ValueError: one line saying what is wrong with the input and how to correct it. It is raised before Ray starts,
            except for what only a running cluster can tell.
        TypeError: for an unknown argument.
    """
    with in_python():
        place, watching = _place(out), _observers(observers)
        _check_call(data_dir, progress, {"address": address, "dashboard_host": dashboard_host, "resume": resume})
        given = {
            "strategies": strategies, "seeds": seeds, "budget": budget, "metric": metric, "mode": mode,
            "max_epochs": max_epochs, "time_attr": time_attr, "give_up_after": give_up_after, "resources": resources,
            "options": options, "prior": prior, "name": name, "margin": margin, "until_decided": until_decided,
            "max_seeds": max_seeds, "max_seconds": max_seconds,
        }  # fmt: skip
        asked = _resumed(study, trainable, space, given, place) if resume else study_of(study, trainable, space, given)
        altered = space is not None or any(value is not None for value in given.values())
        if warm_start is not None:
            asked = _warm(asked, warm_start, resume)
        trained = _check(asked, trainable, changed=altered, own=study is None or options is not None)
        from hypertune.records import folder

        place = place if place is not None else folder.default(asked)
        data_dir = _stored_data_dir(place) if resume and data_dir is None else data_dir
        with display_of(asked, place, shown=progress is not False) as display:
            circumstances = Circumstances(
                address=address,
                dashboard_host=dashboard_host,
                data_dir=Path(data_dir) if data_dir is not None else None,
                resume=resume,
                extends=resume and any(given[name] is not None for name in EXTENDING),
                observers=watching if display is None else (display, *watching),
            )
            result = run(asked, place, circumstances, trained)
            if display is not None:
                for line in closing(result):
                    display.tell(line)
        return result


def run(study: Study, out: Place, circumstances: Circumstances, trainable: Trainable | None = None) -> Result:
    """Runs a study and writes its outputs: `compare` without default arguments and without a display.

    Args:
        trainable: used in place of the one that the study names.

    Raises:
        ValueError: as `driver.run`.
    """
    from hypertune.training import registry
    from hypertune.tuning import checks, driver
    from hypertune.tuning.job_page import JobPage

    def prepare(reading: Reading) -> tuple[Trainable, Any]:
        found = trainable or registry.resolve(study.training.trainable)
        checks.check(study, found)
        return found, registry.load_data(study.training, circumstances.data_dir, reading)

    if study.until_decided:
        from hypertune.comparison.asking import ask

        circumstances = dataclasses.replace(circumstances, ask=ask)
    with workspace(out, resume=circumstances.resume) as work:
        outcome = driver.run(study.replace(space=study.space.alive()), work, prepare, circumstances)
        with outputs_in(work.place):
            write_outputs(outcome.records, work.folder)
    page = JobPage()
    if page and not outcome.interrupted:
        from hypertune.comparison.assessment import assess
        from hypertune.comparison.wording import sentences

        page.verdict(study.name, sentences(assess(outcome.records))[0])
    return Result(work.folder, outcome.records, outcome.interrupted, place=out)


def _place(out: Any) -> Place | None:
    if out is None:
        return None
    if not isinstance(out, str | os.PathLike) or not str(out):
        raise ValueError(f'out: a folder or its URL, e.g. out="hypertune-out/first", got {shortened(out)}')
    place = as_place(os.fspath(out) if isinstance(out, os.PathLike) else out)
    if isinstance(place, Path) and place.is_file():
        raise ValueError(f"out: {place} is a file; give a folder, which may be new")
    return place


def _observers(observers: Any) -> tuple[Callable[[Event], None], ...]:
    if callable(observers) or not isinstance(observers, Iterable) or not all(map(callable, items := tuple(observers))):
        raise ValueError(f"observers: functions of an event, e.g. observers=[print], got {shortened(observers)}")
    return items


def _check_call(data_dir: Any, progress: Any, others: Mapping[str, Any]) -> None:
    """Checks the arguments that say how a study is run."""
    if data_dir is not None and not (isinstance(data_dir, str | os.PathLike) and Path(data_dir).is_dir()):
        raise ValueError(f"data_dir: {data_dir} is not a folder; leave data_dir out to download the data set")
    if not isinstance(progress, bool) and progress != "auto":
        raise ValueError(f'progress: "auto", True or False, got {shortened(progress)}')
    if not isinstance(others["resume"], bool):
        raise ValueError(f'resume: True or False, and the study\'s folder as out="...", got {others["resume"]!r}')
    for name in ("address", "dashboard_host"):
        if others[name] is not None and not isinstance(others[name], str):
            example = {"address": '"auto" or "HOST:6379"', "dashboard_host": '"127.0.0.1"'}[name]
            raise ValueError(f"{name}: text, e.g. {example}, got {shortened(others[name])}")


def _resumed(study: Any, trainable: Any, space: Any, given: Mapping[str, Any], place: Place | None) -> Study:
    """The study stored at `place`, with its constants as given, since a file cannot hold all of them.

    Raises:
        ValueError: if `place` holds no study, or the arguments describe a different one.
    """
    if place is None:
        raise ValueError('resume: of which study? Give its folder or URL, e.g. out="hypertune-out/first"')
    stored = stored_study(place)
    if stored is None:
        raise ValueError(f"resume: {place} holds no study to resume; leave resume out to start one there")
    adding = {name: value for name, value in given.items() if name in EXTENDING and value is not None}
    stored = added_to(stored, adding) if adding else stored
    given = {name: None if name in EXTENDING else value for name, value in given.items()}
    asked = study_of(stored if study is None else study, trainable, space, given)
    if adding:
        asked = asked.replace(**{name: getattr(stored, name) for name in ENDING})
    different = difference(stored, asked) or _other_trainable(stored, trainable)
    if different:
        raise ValueError(f"{different}; {place} holds that study: leave it out to resume")
    return asked


def _warm(study: Study, place: Place, resume: bool) -> Study:
    if resume:
        raise ValueError("warm_start: a study that is resumed keeps what it began with; leave it out")
    if not isinstance(place, str | os.PathLike):
        raise ValueError(f"warm_start: the folder or URL of an earlier study, got {shortened(place)}")
    from hypertune.records.earlier import warm_start

    return study.replace(warm_start=warm_start(as_place(os.fspath(place)), study))


def _stored_data_dir(place: Place) -> str | None:
    """The data folder that the study has used so far."""
    with local_copy(place, "provenance.json") as folder:
        return read_provenance(folder / "provenance.json").get("data_dir")


def _other_trainable(stored: Study, trainable: Any) -> str | None:
    name, own = getattr(trainable, "__qualname__", None), stored.training.trainable.rpartition(":")[2]
    return f"trainable: is {own} in the study, not {name}" if name and own and name != own else None


def _check(study: Study, trainable: Any, *, changed: bool, own: bool) -> Trainable | None:
    """Checks before Ray starts what was given as arguments; a study file has been checked already.

    A trainable that the study names is imported later, while Ray starts, since that takes seconds.
    """
    from hypertune.training import registry
    from hypertune.tuning import checks

    with as_arguments() if own else nullcontext():
        found: Trainable | None = registry.resolve(trainable) if isinstance(trainable, str) else trainable
        if found is None:
            if changed:
                checks.check_strategies(study)
            return None
        if bool(getattr(found, "needs_data", False)) != (study.training.dataset is not None):
            if study.training.dataset is None:
                raise ValueError(
                    'trainable: a built-in model needs a study that names its data, e.g. compare("digits_cnn")'
                )
            raise ValueError(
                f"trainable: {study.name} trains {study.training.trainable} on {study.training.dataset}; leave out the "
                "study and give space, metric and mode with the trainable"
            )
        checks.check(study, found)
    return found
