# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["dehb==0.1.2", "numpy<2", "ConfigSpace<1"]  # whose get_hyperparameters DEHB 0.1.2 calls
# ///
"""DEHB's own loop on a function, with a ConfigSpace, until the budget of epochs is spent."""

from tempfile import TemporaryDirectory

from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace, UniformFloatHyperparameter
from ConfigSpace import UniformIntegerHyperparameter as Integer
from dehb import DEHB
from task import domains, epochs, run, trials, value


def hyperparameter(name, kind, *rest):
    if kind == "choice":
        return CategoricalHyperparameter(name, rest[0])
    make = Integer if kind in ("integer", "log steps") else UniformFloatHyperparameter
    return make(name, *rest[:2], log=kind.startswith("log"))


def search(seed):
    space = ConfigurationSpace()
    space.add_hyperparameters([hyperparameter(name, *about) for name, about in domains.items()])
    at_the_end = []

    def evaluate(config, fidelity, **ignored):
        loss = value(dict(config), fidelity)
        if spent[0] + fidelity <= trials * epochs and fidelity == epochs:
            at_the_end.append(loss)
        spent[0] += fidelity
        return {"fitness": loss, "cost": float(fidelity)}

    spent = [0.0]
    with TemporaryDirectory() as folder:
        model = DEHB(
            f=evaluate, cs=space, dimensions=len(domains), min_fidelity=1, max_fidelity=epochs, eta=3, n_workers=1,
            seed=seed, save_freq="end", output_path=folder,
        )  # fmt: skip
        model.run(brackets=trials)  # each of which costs more than one full training
    return min(at_the_end)


run(search)
