# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["neural-pipeline-search==0.17.0"]
# ///
"""The sampler of PriorBand (Mallik et al., 2023, NeurIPS), of neural-pipeline-search.

It is asked for one configuration at a time, given the rung at which that starts and the results of all trials at the
rungs that they have reached. Trials are promoted and stopped by the study's scheduler instead of that of the library.
"""

import numpy as np
import pandas as pd
import torch
from neps.optimizers.priorband import PriorBandSampler
from neps.space import ConfigEncoder, HPOCategorical, HPOFloat
from serve import Hello, serve

MUTATION_RATE, MUTATION_STD = 0.5, 0.25  # neps's own
JUST_BELOW = 1 - 1e-9
"""In place of one epoch, since neps takes a logarithm and loses a rung where that is rounded down."""


class PriorBand:
    def __init__(self, hello: Hello) -> None:
        self.space, self.seed = hello.space, hello.seed
        self.rungs, self.starts = hello.settings["rungs"], hello.settings["starts"]
        domains = {p.name: _domain(p) for p in self.space if p.levels != 1}
        self.sampler = PriorBandSampler(
            parameters=domains, encoder=ConfigEncoder.from_parameters(domains), mutation_rate=MUTATION_RATE,
            mutation_std=MUTATION_STD, eta=hello.settings["reduction_factor"], early_stopping_rate=0,
            fid_bounds=(JUST_BELOW, float(self.rungs[-1])),
        )  # fmt: skip
        self.searched = bool(domains)
        self.asked: dict = {}
        self.results: dict = {}

    def ask(self, number: int, pending: list) -> dict:
        # The sampler draws from global generators. Seeded for each number, a process started again repeats itself.
        np.random.seed([self.seed % 2**32, number])
        torch.manual_seed((1_000_003 * self.seed + number) % 2**63)
        rung = self.starts[number % len(self.starts)]
        config = self.sampler.sample_config(self._table(), rung) if self.searched else {}
        self.asked[number] = config
        return {p.name: _value(p, config) for p in self.space}

    def epoch(self, number: int, epoch: int, loss) -> None:
        if loss is not None and epoch in self.rungs:
            self.results[number, self.rungs.index(epoch)] = loss

    def tell(self, number: int, loss: float) -> None:
        pass  # what counts are the results at the rungs; a trial that has failed has none

    def _table(self):
        index = pd.MultiIndex.from_tuples(list(self.results), names=["id", "rung"])
        configs = [self.asked[number] for number, _ in self.results]
        return pd.DataFrame({"config": configs, "perf": list(self.results.values())}, index=index)


def _domain(parameter):
    prior = {}
    if parameter.guess is not None:
        at = (
            parameter.guess
            if parameter.kind == "categorical"
            else min(max(parameter.to_unit(parameter.guess), 0.0), 1.0)
        )
        prior = {"prior": at, "prior_confidence": parameter.confidence}
    if parameter.kind == "categorical":
        return HPOCategorical(choices=list(range(len(parameter.options))), **prior)
    return HPOFloat(lower=0.0, upper=1.0, **prior)


def _value(parameter, config):
    value = config.get(parameter.name)
    if value is None:
        return parameter.from_unit(0.5)
    return int(value) if parameter.kind == "categorical" else parameter.from_unit(float(value))


serve(PriorBand)
