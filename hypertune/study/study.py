"""A study: everything that defines a comparison, read from TOML, checked, and written as TOML."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from hypertune.space.space import Space
from hypertune.space.values import to_toml
from hypertune.study.design import EPOCHS, Design, Factor
from hypertune.study.file import Budget, Logging, Resources, Training, convert, read_values, spell_out
from hypertune.study.hypotheses import Hypothesis, Parser
from hypertune.study.metrics import column
from hypertune.study.planned import plan, planned
from hypertune.study.prior import Prior, check_prior, read_prior
from hypertune.study.shipped import find
from hypertune.study.warm_start import WarmStart, check_warm_start

UNTIL_DECIDED = "until decided"
"""In place of a number of seeds: as many as it takes, and at most `max_seeds`."""
MAX_SEEDS = 30
FEWEST_TO_DECIDE = 3
MARGIN_OF_ACCURACY = 0.005
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Allowed names of studies and strategies: safe as a folder name and in a report."""
LONGEST_NAME = 1000


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Study:
    """One comparison: strategies x seeds on one search space and one budget.

    Raises:
        ValueError: if a value is out of range; the message names the key of the study file.
    """

    name: str
    strategies: tuple[str, ...]
    """Names such as `random` or `hyperopt+asha`; checked against the registry when the study runs."""
    seeds: tuple[int, ...]
    """One sweep per strategy and seed; with `until_decided` those that there may be at most."""
    budget: Budget
    metric: str
    """Name of the reported number that the strategies optimise and the comparison judges; as the tables' column."""
    mode: Literal["min", "max"]
    training: Training
    space: Space
    resources: Resources = field(default_factory=Resources)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Strategy name to its options, the tables `[strategies.<name>]`."""
    retrain: int = 3
    """Seeds with which each sweep's incumbent is retrained and scored once on the test split; 0 for none."""
    give_up_after: int = 10
    """The study ends if this many trials fail before any trial reports; 0 for never."""
    margin: float | None = None
    """Strategies whose values differ by no more than this are practically equal, in the metric's units; 0 for none.
    Without it `practical_margin` decides."""
    until_decided: bool = False
    """Whether the study ends as soon as it is decided which strategy is best or practically equal to the best."""
    max_seconds: float | None = None
    """Seconds after which an undecided study takes no further seed."""
    hypotheses: tuple[str, ...] = ()
    """Sentences to be supported or refuted by the records; see `hypertune.study.hypotheses`."""
    design: Design | None = None
    """A design of experiments instead of strategies: one sweep per seed runs each of its cells in full."""
    logging: Logging = field(default_factory=Logging)
    """What is logged of every trial besides the records."""
    prior: Prior = field(default_factory=dict)
    """What is guessed for some hyperparameters, for searchers that can use it."""
    warm_start: WarmStart | None = None
    """Trials of an earlier study, for searchers that can learn from them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", column(self.metric))
        if not NAME.fullmatch(self.name):
            raise ValueError(f"study.name: letters, digits, '.', '_' and '-' only, got {self.name!r}")
        if len(self.name) > LONGEST_NAME:
            raise ValueError(f"study.name: at most {LONGEST_NAME} characters, got {len(self.name):,}")
        if not self.metric.strip() or not self.metric.isprintable() or len(self.metric) > LONGEST_NAME:
            raise ValueError(
                f"study.metric: the name of a reported number, on one line, of at most {LONGEST_NAME} characters, "
                f"got {self.metric[:40]!r}"
            )
        for key, values in (("strategies", self.strategies), ("seeds", self.seeds)):
            if len({str(value).strip() for value in values}) < len(values):
                raise ValueError(f"study.{key}: give each one once, got {list(values)}")
        for name in self.options:
            if name not in self.strategies:
                raise ValueError(
                    f"strategies.{name}: options of a strategy that is not in study.strategies "
                    f"({', '.join(self.strategies)})"
                )
        if not self.space.parameters() and not (self.design and self.design.epochs):
            raise ValueError("space: no hyperparameter to search; add e.g. lr = { loguniform = [1e-4, 1e-1] }")
        for name in self.space.entries:
            if name in self.training.config:
                raise ValueError(f"space.{name}: also a constant in training.config; keep one of them")
        check_prior(self.prior, self.space)
        if self.warm_start is not None:
            check_warm_start(self.warm_start, self.space)
        if self.until_decided and len(self.seeds) < FEWEST_TO_DECIDE:
            raise ValueError(f"study.max_seeds: nothing is decided with fewer than {FEWEST_TO_DECIDE} seeds")
        if self.max_seconds is not None and not self.until_decided:
            raise ValueError('study.max_seconds: limits a study that runs until decided; set seeds = "until decided"')
        if self.design is not None:
            _check_design(self, self.design)
        self.claims()

    def __repr__(self) -> str:
        names = ", ".join(map(str, self.space.entries))
        return f"Study({self.name}: {self.outline()}; {self.mode} {self.metric} of {self.training.trainable}; {names})"

    def outline(self) -> str:
        """A summary in words: `random, asha; 5 seeds; 200 epochs each`."""
        until = "until decided, at most " if self.until_decided else ""
        seeds = f"{until}{len(self.seeds)} seed{'s' * (len(self.seeds) != 1)}"
        return f"{', '.join(self.strategies)}; {seeds}; {self.budget} each"

    @property
    def practical_margin(self) -> float | None:
        """The margin within which strategies are practically equal; None if every difference matters.

        Half a percentage point for accuracies unless the study says otherwise: retraining one configuration with
        another seed changes the accuracy of a small network by about as much.
        """
        margin = self.margin
        if margin is None:
            margin = MARGIN_OF_ACCURACY if self.metric.rsplit("/")[-1].endswith("accuracy") else 0.0
        return margin or None

    def epoch(self) -> str:
        """What counts as an epoch of a trainable of one's own; empty for the built-in ones."""
        if self.training.dataset is not None:
            return ""
        return f"{self.training.time_attr} as reported counts" if self.training.time_attr else "one report is one epoch"

    def factors(self) -> tuple[Factor, ...]:
        """The factors of the design; empty without one."""
        return self.design.factors(self.space) if self.design is not None else ()

    def claims(self) -> tuple[Hypothesis, ...]:
        """The parsed hypotheses.

        Raises:
            ValueError: if this study cannot check one of them.
        """
        if self.design is not None:
            parser = Parser(self.factors(), (), self.metric, self.practical_margin)
        else:
            names = (parameter.key for parameter in self.space.parameters())
            parser = Parser([Factor(name, ()) for name in names], self.strategies, self.metric, self.practical_margin)
        return tuple(_claim(parser, number, text) for number, text in enumerate(self.hypotheses))

    @staticmethod
    def load(source: str | Path) -> Study:
        """Reads a study file, or a shipped study by its name, e.g. `digits_cnn`.

        Raises:
            ValueError: one line that names the file, the key and the remedy.
        """
        path = find(source)
        try:
            # An editor on Windows may begin the file with a byte order mark.
            return Study.parse(tomllib.loads(path.read_text(encoding="utf-8-sig")))
        except RecursionError:
            raise ValueError(f"{path}: tables or lists are nested too deeply") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from None
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror})") from None

    @staticmethod
    def parse(tables: Mapping[str, Any]) -> Study:
        """A study from the tables of a study file.

        Raises:
            ValueError: one line that names the key and the remedy.
        """
        file = convert(read_values({**tables, "space": tables.get("space", {})}))
        table, space = file.study, Space.parse(file.space)
        until_decided = isinstance(table.seeds, str)
        if table.max_seeds is not None and not until_decided:
            raise ValueError(f'study.max_seeds: limits a study that runs until decided; set seeds = "{UNTIL_DECIDED}"')
        seeds = (table.max_seeds or MAX_SEEDS) if isinstance(table.seeds, str) else table.seeds
        return Study(
            name=table.name,
            seeds=tuple(range(seeds) if isinstance(seeds, int) else seeds),
            metric=table.metric,
            mode=table.mode,
            retrain=table.retrain,
            give_up_after=table.give_up_after,
            margin=table.margin,
            until_decided=until_decided,
            max_seconds=table.max_seconds,
            hypotheses=tuple(table.hypotheses),
            training=file.training,
            space=space,
            design=file.design,
            resources=file.resources,
            logging=file.logging,
            prior=read_prior(file.prior),
            warm_start=file.warm_start,
            **planned(file, space),
        )

    def to_tables(self) -> dict[str, Any]:
        """The tables from which `parse` makes the same study, with every default spelt out."""
        planned = {"strategies": list(self.strategies), "budget": msgspec.to_builtins(self.budget)}
        until: dict[str, Any] = {"seeds": UNTIL_DECIDED, "max_seeds": len(self.seeds)}
        table = until if self.until_decided else {"seeds": list(self.seeds)}
        table |= {name: getattr(self, name) for name in ("metric", "mode", "retrain", "give_up_after")}
        table |= {key: value for key in ("margin", "max_seconds") if (value := getattr(self, key)) is not None}
        tables = {
            "study": {"name": self.name, **({} if self.design else planned), **table},
            "training": spell_out(self.training),
            "space": self.space.to_toml(),
            "resources": spell_out(self.resources),
            "logging": spell_out(self.logging),
        }
        if self.hypotheses:
            tables["study"]["hypotheses"] = list(self.hypotheses)
        if self.prior:
            tables["prior"] = {name: spell_out(guess) for name, guess in self.prior.items()}
        if self.warm_start is not None:
            tables["warm_start"] = msgspec.to_builtins(self.warm_start)
        if self.design is not None:
            return {**tables, "design": spell_out(self.design)}
        return {**tables, "strategies": {name: to_toml(dict(options)) for name, options in self.options.items()}}

    def to_toml(self) -> str:
        """The resolved study as a study file; see `hypertune.space.values` for what TOML cannot hold."""
        import tomli_w

        return tomli_w.dumps(self.to_tables())

    def replace(self, **changes: Any) -> Study:
        """A copy with some fields changed and everything checked again; given seeds are run, decided or not."""
        if changes.setdefault("until_decided", self.until_decided and "seeds" not in changes) is False:
            changes.setdefault("max_seconds", None)
        if "strategies" in changes:
            changes.setdefault("options", {k: v for k, v in self.options.items() if k in changes["strategies"]})
        return dataclasses.replace(self, **changes)


def _check_design(study: Study, design: Design) -> None:
    """Checks that the study runs each of the design's cells in full.

    Raises:
        ValueError: if it does not, or if the levels of `epochs` cannot be read off the curves.
    """
    if {key: getattr(study, key) for key in ("strategies", "budget")} != {
        key: value for key, value in plan(design, study.space).items() if key != "options"
    }:
        raise ValueError(
            "design: runs each cell in full, so that strategies and budget cannot be changed; leave out --strategies"
            " and --budget"
        )
    if study.prior:
        raise ValueError("prior: a design runs fixed cells, for which nothing can be guessed; leave it out")
    if study.warm_start is not None:
        raise ValueError("warm_start: a design runs fixed cells, whatever is known of others; leave it out")
    if study.until_decided and not study.hypotheses:
        raise ValueError("study.hypotheses: a design runs until its hypotheses are decided, and it has none; add one")
    try:
        names = [factor.name for factor in design.factors(study.space)]
    except ValueError as error:
        raise ValueError(f"design: {error}") from None
    if design.epochs is not None:
        _check_epochs(study, design.epochs, names)


def _check_epochs(study: Study, epochs: list[int], names: list[str]) -> None:
    if names.count(EPOCHS) > 1 or EPOCHS in study.space.entries:
        raise ValueError("design.epochs: [space] has a hyperparameter of that name; keep one of them")
    if epochs[-1] != study.training.max_epochs:
        raise ValueError(
            f"design.epochs: the last one, {epochs[-1]}, must be training.max_epochs, {study.training.max_epochs}"
        )
    if "lr_schedule" in study.space.entries or study.training.config.get("lr_schedule", "none") != "none":
        raise ValueError(
            "design.epochs: with an lr_schedule, a shorter training is not the beginning of a longer one; "
            'use lr_schedule = "none", or one study per max_epochs'
        )


def _claim(parser: Parser, number: int, text: str) -> Hypothesis:
    try:
        return parser.parse(text)
    except ValueError as error:
        raise ValueError(f"study.hypotheses[{number}]: {error}") from None
