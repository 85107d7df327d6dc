# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["flaml[blendsearch]>=2.3,<3", "numpy<2"]
# ///
"""flaml's own `tune.run` on a function."""

import logging

import flaml
from flaml import tune
from task import domains, run, searcher, trials, value

logging.disable(logging.WARNING)
ALL = {"cfo": flaml.CFO, "blendsearch": flaml.BlendSearch}
KINDS = {"float": tune.uniform, "log": tune.loguniform, "log steps": tune.qloguniform}


def domain(kind, *rest):
    if kind == "choice":
        return tune.choice(rest[0])
    return tune.randint(rest[0], rest[1] + 1) if kind == "integer" else KINDS[kind](*rest)


def middle(kind, low, *rest):
    """Where a search begins, as hypertune has it begin."""
    if kind == "choice":
        return low[len(low) // 2]
    at = (low * rest[0]) ** 0.5 if kind.startswith("log") else (low + rest[0]) / 2
    return round(at) if kind == "integer" else round(at / rest[1]) * rest[1] if kind == "log steps" else at


def search(seed):
    space = {name: domain(*about) for name, about in domains.items()}
    start = {name: middle(*about) for name, about in domains.items()}
    model = ALL[searcher](metric="loss", mode="min", space=space, seed=seed, points_to_evaluate=[start])
    found = tune.run(
        lambda config: {"loss": value(config)}, search_alg=model, metric="loss", mode="min", num_samples=trials,
        verbose=0,
    )  # fmt: skip
    return min(trial.last_result["loss"] for trial in found.trials if trial.last_result)


run(search)
