"""Searchers of libraries that do not go together with our environment: each runs in one of its own, made by uv.

`processes/NAME.py` holds the few lines that connect a library with the protocol, and lists its packages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from hypertune.space.space import Space
from hypertune.strategies.brackets import plan
from hypertune.strategies.plugin import FEATURES, FIDELITIES, searcher
from hypertune.strategies.process import START_TIMEOUT_S, TIMEOUT_S, ProcessSearcher
from hypertune.study.prior import Prior

SCRIPTS = Path(__file__).parent / "processes"


def _separate(
    name: str, script: str, space: Space, task: dict[str, Any], settings: dict[str, Any], start_timeout_s: float,
    prior: Prior | None = None,
) -> Searcher:  # fmt: skip
    if not start_timeout_s > 0:
        raise ValueError("start_timeout_s must be positive")
    command = ["uv", "run", "--quiet", "--no-project", "--script", str(SCRIPTS / script)]
    return ProcessSearcher(
        space, **task, who=name, command=command, settings=settings, prior=prior, timeout_s=TIMEOUT_S,
        start_timeout_s=start_timeout_s,
    )  # fmt: skip


def _flaml(
    name: str, space: Space, task: dict[str, Any], start: dict[str, Any] | None, start_timeout_s: float
) -> Searcher:
    settings = {"searcher": name, "start": start or {}}
    return _separate(name, "flaml_searchers.py", space, task, settings, start_timeout_s)


@searcher(
    summary="HEBO: Bayesian optimisation with input and output warping", supports=FEATURES, programs=("uv",),
    warm_starts=True,
)  # fmt: skip
def hebo(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, n_initial: int = 10,
    start_timeout_s: float = START_TIMEOUT_S,
) -> Searcher:  # fmt: skip
    """HEBO 0.3.6 with Python 3.10, in an environment that uv makes the first time.

    Args:
        n_initial: Sobol configurations before the model is used.
        start_timeout_s: seconds until it has to be ready.

    Raises:
        ValueError: for `n_initial` below 2.
    """
    if n_initial < 2:
        raise ValueError("n_initial must be at least 2")
    task = {"metric": metric, "mode": mode, "seed": seed, "max_epochs": max_epochs}
    return _separate("hebo", "hebo_searcher.py", space, task, {"n_initial": n_initial}, start_timeout_s)


@searcher(
    summary="CFO of flaml: local search from a cheap configuration", supports=FEATURES, programs=("uv",),
    warm_starts=True,
)  # fmt: skip
def cfo(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, start: dict[str, Any] | None = None,
    start_timeout_s: float = START_TIMEOUT_S,
) -> Searcher:  # fmt: skip
    """flaml's CFO in an environment that uv makes the first time.

    Args:
        start: hyperparameters of the cheap configuration to start from, an option's index for a choice; the middle of
            the space unless given.
        start_timeout_s: seconds until it has to be ready.
    """
    task = {"metric": metric, "mode": mode, "seed": seed, "max_epochs": max_epochs}
    return _flaml("cfo", space, task, start, start_timeout_s)


@searcher(summary="BlendSearch of flaml: local searches and Optuna", supports=FEATURES, programs=("uv",))
def blendsearch(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, start: dict[str, Any] | None = None,
    start_timeout_s: float = START_TIMEOUT_S,
) -> Searcher:  # fmt: skip
    """flaml's BlendSearch in an environment that uv makes the first time. Options as those of `cfo`."""
    task = {"metric": metric, "mode": mode, "seed": seed, "max_epochs": max_epochs}
    return _flaml("blendsearch", space, task, start, start_timeout_s)


@searcher(summary="DEHB: differential evolution over HyperBand's fidelities", supports=FEATURES, programs=("uv",))
def dehb(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, reduction_factor: int = 3,
    start_timeout_s: float = START_TIMEOUT_S,
) -> Searcher:  # fmt: skip
    """DEHB 0.1.2 in an environment that uv makes the first time.

    It decides itself for how many epochs each trial trains, and so goes with `fifo`. As in its paper every evaluation
    trains from the first epoch, also that of a configuration which has trained for fewer epochs before.

    Args:
        reduction_factor: eta, by which the fidelities are apart.
        start_timeout_s: seconds until it has to be ready.

    Raises:
        ValueError: for a reduction factor below 2.
    """
    if reduction_factor < 2:
        raise ValueError(f"reduction_factor must be at least 2, got {reduction_factor}")
    task = {"metric": metric, "mode": mode, "seed": seed, "max_epochs": max_epochs}
    return _separate("dehb", "dehb_searcher.py", space, task, {"reduction_factor": reduction_factor}, start_timeout_s)


@searcher(
    summary="PriorBand's searcher: uniform, near the prior's guesses, or near the incumbent", supports=FEATURES,
    needs={FIDELITIES}, programs=("uv",),
)  # fmt: skip
def priorband(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, prior: Prior | None = None,
    reduction_factor: int = 3, start_timeout_s: float = START_TIMEOUT_S,
) -> Searcher:  # fmt: skip
    """The sampler of PriorBand (Mallik et al., 2023, NeurIPS) of neural-pipeline-search 0.17, in an environment that uv
    makes the first time; the strategy `priorband` pairs it with HyperBand.

    How often it draws uniformly depends on the rung at which a trial starts, which is HyperBand's also if the scheduler
    is another one. Without a `[prior]` in the study its prior is uniform.

    Args:
        reduction_factor: eta of the scheduler.
        start_timeout_s: seconds until it has to be ready.

    Raises:
        ValueError: for a reduction factor below 2.
    """
    brackets = plan(max_epochs, reduction_factor)
    starts = [first for first, rungs in enumerate(brackets) for _ in range(rungs[0][0])]
    rungs = [epochs for _, epochs in brackets[0]]
    settings = {"reduction_factor": reduction_factor, "rungs": rungs, "starts": starts}
    task = {"metric": metric, "mode": mode, "seed": seed, "max_epochs": max_epochs}
    return _separate("priorband", "neps_searcher.py", space, task, settings, start_timeout_s, prior)
