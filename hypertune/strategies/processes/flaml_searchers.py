# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["flaml[blendsearch]>=2.3,<3", "numpy<2"]
# ///
"""CFO (Wu et al., 2021, AAAI) and BlendSearch (Wang et al., 2021, ICLR) of flaml.

The setting `searcher` tells which. Both walk from a configuration that is cheap: the setting `start`, by name, or else
the middle of the space. After an earlier study CFO walks from the best of its trials; BlendSearch's global search would
not be told of them.
"""

import flaml
from flaml import tune
from serve import Hello, serve

ALL = {"cfo": flaml.CFO, "blendsearch": flaml.BlendSearch}


class Flaml:
    def __init__(self, hello: Hello) -> None:
        self.hello = hello
        # Numbered, since flaml takes no name with a slash.
        self.space = {f"p{number}": p for number, p in enumerate(hello.space) if _searched(p)}
        self.earlier_points: dict = {}
        self.earlier_losses: dict = {}
        self.model = None
        self.asked: dict = {}

    def earlier(self, number: int, values: dict) -> None:
        self.earlier_points[number] = self._whole(values)

    def _whole(self, values: dict) -> dict:
        """With the middle for every hyperparameter without a value."""
        return {key: _told(p, values.get(p.name, _middle(p))) for key, p in self.space.items()}

    def _begin(self):
        """Made once all earlier trials have been told, which flaml wants to have from the start."""
        settings = self.hello.settings
        start = settings.get("start", {})
        points = [self.earlier_points[number] for number in self.earlier_losses] or [self._whole(start)]
        cheap = {key: _told(p, start[p.name]) for key, p in self.space.items() if p.name in start}
        options = {"low_cost_partial_config": cheap} if cheap else {}
        return ALL[settings["searcher"]](
            metric="loss", mode="min", space={key: _domain(p) for key, p in self.space.items()},
            seed=self.hello.seed % 2**31, points_to_evaluate=points,
            evaluated_rewards=list(self.earlier_losses.values()), **options,
        )  # fmt: skip

    def ask(self, number: int, pending: list):
        config = self._suggestion(number) if self.space else {}
        if config is None:
            return None
        self.asked[number] = config
        drawn = {p.name: _value(p, config[key]) for key, p in self.space.items() if key in config}
        return {p.name: drawn.get(p.name, _middle(p)) for p in self.hello.space}

    def _suggestion(self, number: int):
        self.model = self.model or self._begin()
        for _ in range(100):  # None: flaml wants to wait, or has drawn a configuration that it knows
            config = self.model.suggest(str(number))
            if config is not None:
                return config
        return None

    def tell(self, number: int, loss: float) -> None:
        if number in self.earlier_points:
            self.earlier_losses[number] = loss
            return
        if not self.space:
            return
        config = {f"config/{name}": value for name, value in self.asked[number].items()}
        result = {"loss": loss, "time_total_s": 1.0, "training_iteration": 1, **config}
        # As in flaml's own loop. The first call moves a local search to a better configuration, the second takes that
        # for known and narrows the steps: with the second alone the regret is larger.
        self.model.on_trial_result(str(number), result)
        self.model.on_trial_complete(str(number), result)


def _searched(parameter) -> bool:
    """Whether there is more than one value; flaml divides by zero otherwise."""
    return parameter.levels != 1 and (parameter.low is None or parameter.low < parameter.high)


def _domain(parameter):
    if parameter.kind == "categorical":
        return tune.choice(list(range(len(parameter.options))))
    if parameter.mean is not None:
        return tune.uniform(0.0, 1.0)
    if parameter.kind == "integer" and parameter.step == 1:
        kind = tune.lograndint if parameter.log else tune.randint
        return kind(parameter.low, parameter.high + 1)
    if parameter.step is not None:
        kind = tune.qloguniform if parameter.log else tune.quniform
        return kind(parameter.low, parameter.high, parameter.step)
    return (tune.loguniform if parameter.log else tune.uniform)(parameter.low, parameter.high)


def _told(parameter, value):
    """The value as flaml knows it: of a normal distribution, which BlendSearch cannot search, the quantile."""
    return value if parameter.mean is None else parameter.to_unit(value)


def _value(parameter, told):
    return told if parameter.mean is None else parameter.from_unit(told)


def _middle(parameter):
    return parameter.from_unit(0.5)


serve(Flaml)
