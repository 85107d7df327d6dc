"""Population based training (Jaderberg et al., 2017, "Population Based Training of Neural Networks"), synchronous."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from hypertune.space.domains import Numeric
from hypertune.space.space import Config, Parameter, Space
from hypertune.space.values import text_of
from hypertune.strategies.plugin import scheduler
from hypertune.strategies.population import Explore, Interval, Numbers, Population, mutable
from hypertune.strategies.score import score
from hypertune.sweep.trial import Fork


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a population reserved for a fork; `parents` are the trials it could start from."""

    population: Population
    fork: Fork
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Generations:
    """How a population trains.

    Attributes:
        max_epochs: epochs of a full training.
        size: trials that train side by side.
        interval: epochs of a generation.
        quantile: share of the population that is replaced, and share that is cloned.
    """

    max_epochs: int
    size: int
    interval: int
    quantile: float

    @staticmethod
    def of(max_epochs: int, *, population_size: int, perturbation_interval: int | None, quantile: float) -> Generations:
        """The options of `pbt` and `pb2`, checked.

        Raises:
            ValueError: for options out of range.
        """
        interval = max(1, max_epochs // 5) if perturbation_interval is None else perturbation_interval
        if population_size < 2 or interval < 1 or not 0 < quantile <= 0.5:
            raise ValueError(
                "population_size must be at least 2, perturbation_interval at least 1, quantile above 0 and at most 0.5"
            )
        return Generations(max_epochs, population_size, interval, quantile)


class PopulationScheduler(FIFOScheduler):
    """Exploits by cloning: at the end of each generation, forks of the best replace the worst.

    Every trial is paused, and thereby saved, at each multiple of `interval`. When the whole population has reached it,
    the worst `quantile` is stopped. For each stopped trial a new one starts from the checkpoint of one of the best,
    with numbers from `explore`. A trial's configuration never changes: the hyperparameters of a model over time are
    its lineage. While a population waits for its last members, idle workers start the next one.

    After `close` there are no more forks: the remaining trials train to the end.
    """

    def __init__(
        self,
        space: Space,
        explore: Explore,
        *,
        metric: str,
        mode: str,
        seed: int,
        generations: Generations,
    ) -> None:
        super().__init__()
        self._score = partial(score, metric=metric, mode=mode)
        self._space, self._explore, self._seed = space, explore, seed
        self._max_epochs, self._size = generations.max_epochs, generations.size
        self._interval, self._quantile = generations.interval, generations.quantile
        self._made = 0
        self.populations: list[Population] = []
        self._home: dict[str, Population] = {}
        self._trials: dict[str, Any] = {}
        self._numbers: dict[str, Numbers] = {}
        # Epoch and score at each trial's last pause; a fork starts with its parent's.
        self._epoch: dict[str, int] = {}
        self._before: dict[str, float] = {}
        self._places: deque[Place] = deque()
        self._closed = False

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Adds the trial as the fork that is due, else to the population that is filling up."""
        name = trial.trial_id
        if name in self._home:
            return
        population = self._kept_for(trial) or self._filling()
        population.add(name)
        self._home[name], self._trials[name] = population, trial
        self._numbers[name] = self._space.encode(trial.config)

    def fork(self, tune_controller: Any) -> Fork | None:
        """The next fork to start; the same one until `on_trial_add` receives its trial."""
        return self._places[0].fork if self._places else None

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Pauses the trial at the end of its generation; stops it if it completes the generation and loses."""
        name, epoch = trial.trial_id, int(result["epoch"])
        population = self._home[name]
        if not self.next_decision(name, epoch) <= epoch < self._max_epochs:
            return str(TrialScheduler.CONTINUE)
        self._epoch[name] = epoch
        population.scores[name] = self._score(result)
        losers = self._settle(tune_controller, population, but=name)
        return str(TrialScheduler.STOP if name in losers else TrialScheduler.PAUSE)

    def next_decision(self, trial_id: str, epoch: int) -> float:
        """The end of the trial's generation."""
        return (self._home[trial_id].generation + 1) * self._interval

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Removes a finished trial from its population, which continues with the others."""
        self.on_trial_remove(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        population = self._home[trial.trial_id]
        if trial.trial_id in population.members:
            population.leave(trial.trial_id)
            self._settle(tune_controller, population)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Counts a trial that failed or diverged as the worst of its generation."""
        name = trial.trial_id
        population = self._home[name]
        if name in population.members:
            population.fail(name)
            self._disown(name)
            self._settle(tune_controller, population)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """A paused trial whose next generation has begun, of the oldest population that has one."""
        waiting = (self._trials[name] for population in self.populations for name in population.waiting())
        return next((trial for trial in waiting if trial.status == Trial.PAUSED), None)

    def close(self, tune_controller: Any) -> None:
        """Closes the populations, which continue with their trials: the sweep starts no new trials and no forks."""
        self._closed = True
        self._places.clear()
        for population in list(self.populations):
            population.expected = 0
            self._settle(tune_controller, population)

    def debug_string(self) -> str:
        return f"populations: {', '.join(f'{len(p.members)}@{p.generation}' for p in self.populations) or 'none'}"

    def _kept_for(self, trial: Any) -> Population | None:
        """The population that reserved a place for this trial, if the trial is the fork that is due."""
        place = self._places[0] if self._places else None
        if place is None or not self._same(trial.config, place.fork.config):
            return None
        self._places.popleft()
        parent = place.fork.parent_id
        self._epoch[trial.trial_id], self._before[trial.trial_id] = place.fork.epoch, self._before[parent]
        return place.population

    def _same(self, one: Config, other: Config) -> bool:
        """Whether the hyperparameters are the same; what they stand for, such as NaN or an array, may not be `==`."""
        return text_of(self._space.encode(one)) == text_of(self._space.encode(other))

    def _filling(self) -> Population:
        newest = self.populations[-1] if self.populations else None
        if newest is None or newest.generation or not newest.expected:
            newest = Population(self._made, self._size)
            self._made += 1
            self.populations.append(newest)
        return newest

    def _settle(self, controller: Any, population: Population, but: str = "") -> list[str]:
        """Ends the generation if it is complete; returns the eliminated trials, all of them stopped except `but`."""
        if not population.complete:
            return []
        self._explore.observe([self._interval_of(population, name) for name in population.members])
        self._before.update(population.scores)
        out = population.advance(self._quantile, replace=not self._closed)
        for place in range(population.expected):
            self._places.append(self._place(population, place, out.parents))
        if population.over:
            self.populations.remove(population)
        for name in out.to_stop:
            if name != but:  # the answer to its result stops that one
                controller.stop_trial(self._trials[name])
        return out.losers

    def _interval_of(self, population: Population, name: str) -> Interval:
        before, after = self._before.get(name), population.scores[name]
        return Interval(population.number, population.generation, self._numbers[name], before, after)

    def _place(self, population: Population, place: int, parents: list[str]) -> Place:
        rng = np.random.default_rng([self._seed, population.number, population.generation, place])
        parent = parents[rng.integers(len(parents))]
        numbers = self._explore(self._numbers[parent], population.generation, rng)
        config = self._space.resolve(lambda parameter: numbers[parameter.key])
        return Place(population, Fork(config, parent, self._epoch[parent]), tuple(parents))

    def _disown(self, name: str) -> None:
        """Gives forks of a failed trial another parent: its state may have been lost while it was being saved."""
        for i, place in enumerate(self._places):
            others = [parent for parent in place.parents if parent not in place.population.failed]
            if place.fork.parent_id == name and others:
                fork = dataclasses.replace(place.fork, parent_id=others[0], epoch=self._epoch[others[0]])
                self._places[i] = dataclasses.replace(place, fork=fork)


class Perturb:
    """The paper's exploration: multiplies each number by a factor, or draws it afresh."""

    def __init__(self, parameters: list[Parameter], resample_probability: float, factors: tuple[float, float]) -> None:
        self._parameters, self._resample, self._factors = parameters, resample_probability, factors

    def observe(self, intervals: Sequence[Interval]) -> None:
        """Learns nothing."""

    def __call__(self, numbers: Numbers, generation: int, rng: np.random.Generator) -> Numbers:
        found = dict(numbers)
        for parameter in self._parameters:
            domain = parameter.domain
            assert isinstance(domain, Numeric)
            fresh, factor = domain.from_unit(rng.random()), self._factors[rng.integers(2)]
            drawn = rng.random() < self._resample
            found[parameter.key] = fresh if drawn else domain.cast(numbers[parameter.key] * factor)
        return found


@scheduler(
    summary="population based training: the worst are replaced by changed clones of the best",
    needs_checkpoints=True,
    asynchronous=False,
)
def pbt(
    space: Space,
    *,
    metric: str,
    mode: str,
    seed: int,
    max_epochs: int,
    population_size: int = 8,
    perturbation_interval: int | None = None,
    quantile: float = 0.25,
    resample_probability: float = 0.25,
    perturbation_factors: tuple[float, float] = (0.8, 1.25),
    mutate: list[str] | None = None,
) -> TrialScheduler:
    """Population based training in generations; the searcher proposes the first one.

    Args:
        population_size: trials that train side by side.
        perturbation_interval: epochs of a generation; by default a fifth of `max_epochs`.
        quantile: share of the population that is replaced, and share that is cloned.
        resample_probability: probability that a clone's hyperparameter is drawn afresh instead of multiplied.
        perturbation_factors: a clone's hyperparameter is multiplied by one of them, chosen at random.
        mutate: names of the hyperparameters that clones change; by default all that are not whole numbers.

    Raises:
        ValueError: for options out of range, and where no hyperparameter can change.
    """
    if not 0 <= resample_probability <= 1 or min(perturbation_factors) <= 0:
        raise ValueError("resample_probability must be from 0 to 1, perturbation_factors above 0")
    explore = Perturb(mutable(space, mutate), resample_probability, perturbation_factors)
    generations = Generations.of(
        max_epochs,
        population_size=population_size,
        perturbation_interval=perturbation_interval,
        quantile=quantile,
    )
    return PopulationScheduler(space, explore, metric=metric, mode=mode, seed=seed, generations=generations)
