# /// script
# requires-python = "==3.10.*"
# dependencies = ["HEBO==0.3.6", "numpy<1.25", "setuptools<70"]
# [tool.uv]
# override-dependencies = ["gpy>=1.13"]
# ///
"""HEBO on a function, with its own kinds of parameters."""

import random

import numpy as np
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO
from task import domains, run, trials, value


def parameter(name, kind, *rest):
    if kind == "choice":
        return {"name": name, "type": "cat", "categories": rest[0]}
    kinds = {"float": "num", "log": "pow", "integer": "int", "log steps": "pow"}
    base = {"base": 10} if kinds[kind] == "pow" else {}
    return {"name": name, "type": kinds[kind], "lb": rest[0], "ub": rest[1], **base}


def search(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    space = DesignSpace().parse([parameter(name, *about) for name, about in domains.items()])
    model, best = HEBO(space, rand_sample=10, scramble_seed=seed), float("inf")
    for _ in range(trials):
        row = model.suggest(n_suggestions=1)
        loss = value(row.iloc[0].to_dict())
        model.observe(row, np.array([[loss]]))
        best = min(best, loss)
    return best


run(search)
