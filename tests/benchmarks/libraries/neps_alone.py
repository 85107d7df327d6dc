# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["neural-pipeline-search==0.17.0"]
# ///
"""neps's own PriorBand on a function, brackets and promotions included; a promoted trial goes on where it stopped."""

import neps
import numpy as np
import torch
from neps.space import HPOCategorical, HPOFloat, HPOInteger, SearchSpace
from task import domains, epochs, guesses, run, trials, value


def parameter(name, kind, *rest):
    prior = {"prior": guesses[name], "prior_confidence": "medium"} if name in guesses else {}
    if kind == "choice":
        return HPOCategorical(choices=rest[0], **prior)
    make = HPOInteger if kind in ("integer", "log steps") else HPOFloat
    return make(lower=rest[0], upper=rest[1], log=kind.startswith("log"), **prior)


def search(seed):
    np.random.seed(seed)
    torch.manual_seed(seed)
    space = {name: parameter(name, *about) for name, about in domains.items()}
    space["epoch"] = HPOInteger(lower=1, upper=epochs, is_fidelity=True)
    model = neps.AskAndTell(neps.algorithms.priorband(SearchSpace(space), eta=3))
    spent, best, reached = 0, float("inf"), {}
    while True:
        trial = model.ask()
        config = dict(trial.config)
        epoch = config.pop("epoch")
        number = trial.metadata.id.partition("_")[0]
        spent += epoch - reached.get(number, 0)
        if spent > trials * epochs:
            return best
        reached[number] = epoch
        loss = value(config, epoch)
        model.tell(trial, loss)
        best = min(best, loss) if epoch == epochs else best


run(search)
