# /// script
# requires-python = "==3.10.*"
# dependencies = ["HEBO==0.3.6", "numpy<1.25", "setuptools<70"]
# [tool.uv]
# override-dependencies = ["gpy>=1.13"]  # the version that HEBO asks for has to be compiled, with an old numpy
# ///
"""HEBO, heteroscedastic evolutionary Bayesian optimisation (Cowen-Rivers et al., 2022, JAIR 74)."""

import random

import numpy as np
import pandas as pd
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO
from serve import Hello, serve

FEW = 32
"""A number with at most so many values is an integer to the model, any other one a quantile."""


class Hebo:
    def __init__(self, hello: Hello) -> None:
        random.seed(hello.seed)
        np.random.seed(hello.seed % 2**32)
        torch.manual_seed(hello.seed)
        self.space = hello.space
        domains = [_domain(str(i), parameter) for i, parameter in enumerate(self.space)]
        self.model = HEBO(
            DesignSpace().parse(domains), rand_sample=max(hello.n_initial, 2), scramble_seed=hello.seed % 2**31
        )
        self.asked: dict = {}

    def ask(self, number: int, pending: list) -> dict:
        # HEBO takes no pending trials; its suggestions differ, since its acquisition is sampled.
        row = self.model.suggest(n_suggestions=1)
        self.asked[number] = row
        values = row.iloc[0].to_dict()
        return {p.name: _value(p, values[str(i)]) for i, p in enumerate(self.space)}

    def earlier(self, number: int, values: dict) -> None:
        row = {str(i): _coordinate(p, values.get(p.name)) for i, p in enumerate(self.space)}
        self.asked[number] = pd.DataFrame([row])

    def tell(self, number: int, loss: float) -> None:
        self.model.observe(self.asked[number], np.array([[loss]]))


def _few(parameter) -> bool:
    return parameter.levels is not None and parameter.levels <= FEW


def _domain(name: str, parameter) -> dict:
    if parameter.kind == "categorical":
        return {"name": name, "type": "cat", "categories": list(range(len(parameter.options)))}
    if _few(parameter):
        return {"name": name, "type": "int", "lb": 0, "ub": max(parameter.levels - 1, 1)}
    return {"name": name, "type": "num", "lb": 0.0, "ub": 1.0}


def _value(parameter, value):
    if parameter.kind == "categorical":
        return int(value)
    if _few(parameter):
        return parameter.level(min(int(value), parameter.levels - 1))
    return parameter.from_unit(float(value))


def _coordinate(parameter, value):
    """The inverse of `_value`; the middle for a hyperparameter that was not active."""
    if parameter.kind == "categorical":
        return 0 if value is None else value
    if _few(parameter):
        return parameter.levels // 2 if value is None else round((value - parameter.low) / parameter.step)
    return 0.5 if value is None else min(max(parameter.to_unit(value), 0.0), 1.0)


serve(Hebo)
