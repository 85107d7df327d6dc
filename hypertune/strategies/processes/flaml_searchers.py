# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["flaml[blendsearch]>=2.3,<3", "numpy<2"]
# ///
"""CFO (Wu et al., 2021, AAAI) and BlendSearch (Wang et al., 2021, ICLR) of flaml.

The setting `searcher` tells which. Both walk from a configuration that is cheap: the setting `start`, by name, or else
the middle of the space.
"""

import flaml
from flaml import tune
from serve import Hello, serve

ALL = {"cfo": flaml.CFO, "blendsearch": flaml.BlendSearch}


class Flaml:
    def __init__(self, hello: Hello) -> None:
        self.space = hello.space
        start = hello.settings.get("start", {})
        points = [{p.name: start.get(p.name, _middle(p)) for p in self.space}]
        options = {"low_cost_partial_config": start} if start else {}
        self.model = ALL[hello.settings["searcher"]](
            metric="loss", mode="min", space={p.name: _domain(p) for p in self.space}, seed=hello.seed % 2**31,
            points_to_evaluate=points, **options,
        )  # fmt: skip
        self.asked: dict = {}

    def ask(self, number: int, pending: list):
        for _ in range(100):  # None: flaml wants to wait, or has drawn a configuration that it knows
            config = self.model.suggest(str(number))
            if config is not None:
                break
        else:
            return None
        self.asked[number] = config
        return {p.name: config.get(p.name, _middle(p)) for p in self.space}

    def tell(self, number: int, loss: float) -> None:
        config = {f"config/{name}": value for name, value in self.asked[number].items()}
        result = {"loss": loss, "time_total_s": 1.0, "training_iteration": 1, **config}
        # As in flaml's own loop. The first call moves a local search to a better configuration, the second takes that
        # for known and narrows the steps: with the second alone the regret is larger.
        self.model.on_trial_result(str(number), result)
        self.model.on_trial_complete(str(number), result)


def _domain(parameter):
    if parameter.kind == "categorical":
        return tune.choice(list(range(len(parameter.options))))
    if parameter.low is None:
        return tune.randn(parameter.mean, parameter.sd)
    if parameter.kind == "integer" and parameter.step == 1:
        kind = tune.lograndint if parameter.log else tune.randint
        return kind(parameter.low, parameter.high + 1)
    if parameter.step is not None:
        kind = tune.qloguniform if parameter.log else tune.quniform
        return kind(parameter.low, parameter.high, parameter.step)
    return (tune.loguniform if parameter.log else tune.uniform)(parameter.low, parameter.high)


def _middle(parameter):
    return parameter.from_unit(0.5)


serve(Flaml)
