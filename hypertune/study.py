"""A study: everything that defines a comparison. TOML in, checked, TOML out."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from hypertune.space import Space

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a study or strategy may be called: safe as a folder name and in a report."""

Positive = Annotated[int, Meta(ge=1)]
Amount = Annotated[float, Meta(gt=0)]
Seed = Annotated[int, Meta(ge=0)]


class Budget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What each sweep may spend; exactly one of the three."""

    epochs: Positive | None = None
    """Training epochs, summed over the trials."""
    trials: Positive | None = None
    """Configurations tried."""
    seconds: Amount | None = None
    """Wall-clock seconds of the sweep."""

    def __post_init__(self) -> None:
        if sum(amount is not None for amount in (self.epochs, self.trials, self.seconds)) != 1:
            raise ValueError("give exactly one of epochs, trials and seconds, e.g. { epochs = 200 }")

    @property
    def unit(self) -> Literal["epochs", "trials", "seconds"]:
        return "epochs" if self.epochs else "trials" if self.trials else "seconds"

    @property
    def amount(self) -> float:
        return self.epochs or self.trials or self.seconds or 0

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"


class Training(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is trained, on which data, for how long."""

    trainable: str
    """Built in: `cnn`, `mlp`; or `package.module:attribute`, any Ray Tune trainable."""
    dataset: str | None = None
    """`digits`, `fashion_mnist`, `mnist`, `cifar10`, `npz`, `image_folder`, a plugin's; none for your own trainable."""
    path: str | None = None
    """Where the data of `npz` and `image_folder` lie."""
    classes: list[str] | None = None
    """Keep these classes only, in this order."""
    validation_fraction: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    """Share of the training data held out for selection."""
    split_seed: Seed = 0
    """Seed of that split; the same for all sweeps, so that they are judged on the same images."""
    max_epochs: Positive = 10
    """Epochs of a full training."""
    config: dict[str, Any] = {}
    """Constants handed to every trial."""


class Resources(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one trial occupies on the cluster."""

    cpus_per_trial: Annotated[float, Meta(ge=0)] = 1
    gpus_per_trial: Annotated[float, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        if not self.cpus_per_trial and not self.gpus_per_trial:
            raise ValueError("a trial needs a CPU or a GPU; set cpus_per_trial or gpus_per_trial above 0")


class _StudyTable(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    name: str
    strategies: Annotated[list[str], Meta(min_length=1)]
    seeds: Positive | Annotated[list[Seed], Meta(min_length=1)] = 1
    budget: Budget
    metric: str
    mode: Literal["min", "max"]
    retrain: Annotated[int, Meta(ge=0)] = 3


class _StudyFile(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    study: _StudyTable
    training: Training
    space: dict[str, Any]
    resources: Resources = Resources()
    strategies: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """One comparison: strategies x seeds on one search space and one budget.

    Raises:
        ValueError: if a value is out of range; the message names the key as it stands in a study file.
    """

    name: str
    strategies: tuple[str, ...]
    """Names as `random`, `hyperopt+asha`; checked against the registry when the study runs."""
    seeds: tuple[int, ...]
    """One sweep per strategy and seed."""
    budget: Budget
    metric: str
    """Name of the reported number that the strategies optimise and the comparison judges."""
    mode: Literal["min", "max"]
    training: Training
    space: Space
    resources: Resources = field(default_factory=Resources)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Strategy name to its options, the tables `[strategies.<name>]`."""
    retrain: int = 3
    """Seeds with which each sweep's incumbent is retrained and scored once on the test split; 0 for none."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"study.name: letters, digits, '.', '_' and '-' only, got {self.name!r}")
        for key, values in (("strategies", self.strategies), ("seeds", self.seeds)):
            if len(set(values)) < len(values):
                raise ValueError(f"study.{key}: each one once, got {list(values)}")
        for name in self.options:
            if name not in self.strategies:
                raise ValueError(
                    f"strategies.{name}: options of a strategy that is not in study.strategies "
                    f"({', '.join(self.strategies)})"
                )
        if not self.space.parameters():
            raise ValueError("space: names no hyperparameter to search, e.g. lr = { loguniform = [1e-4, 1e-1] }")
        for name in self.space.entries:
            if name in self.training.config:
                raise ValueError(f"space.{name}: stands in training.config as a constant too; keep one of them")

    @staticmethod
    def load(source: str | Path) -> Study:
        """Reads a study file, or a shipped study by its name, e.g. `digits_cnn`.

        Raises:
            ValueError: one line that names the file, the key and what would be right.
        """
        path = _find(source)
        try:
            return Study.parse(tomllib.loads(path.read_text(encoding="utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from None
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror})") from None

    @staticmethod
    def parse(tables: Mapping[str, Any]) -> Study:
        """A study from the tables of a study file.

        Raises:
            ValueError: one line that names the key and what would be right.
        """
        options = {k: v for k, v in tables.items() if k != "space"}
        try:
            file = msgspec.convert({**options, "space": tables.get("space", {})}, _StudyFile)
        except msgspec.ValidationError as error:
            raise ValueError(_explain(str(error))) from None
        table = file.study
        seeds = range(table.seeds) if isinstance(table.seeds, int) else table.seeds
        return Study(
            name=table.name,
            strategies=tuple(table.strategies),
            seeds=tuple(seeds),
            budget=table.budget,
            metric=table.metric,
            mode=table.mode,
            retrain=table.retrain,
            training=file.training,
            space=Space.parse(file.space),
            resources=file.resources,
            options=file.strategies,
        )

    def to_tables(self) -> dict[str, Any]:
        """The tables that `parse` reads back to the same study, every default spelt out."""
        return {
            "study": {
                "name": self.name,
                "strategies": list(self.strategies),
                "seeds": list(self.seeds),
                "budget": msgspec.to_builtins(self.budget),
                "metric": self.metric,
                "mode": self.mode,
                "retrain": self.retrain,
            },
            "training": _spell_out(self.training),
            "space": self.space.to_toml(),
            "resources": _spell_out(self.resources),
            "strategies": {name: dict(options) for name, options in self.options.items()},
        }

    def to_toml(self) -> str:
        """The resolved study as a study file; a constant that TOML cannot hold is written as its `repr`."""
        import tomli_w

        return tomli_w.dumps(tomlable(self.to_tables()))

    def replace(self, **changes: Any) -> Study:
        """A copy with some fields changed and everything checked again."""
        if "strategies" in changes and "options" not in changes:
            changes["options"] = {k: v for k, v in self.options.items() if k in changes["strategies"]}
        return dataclasses.replace(self, **changes)


def shipped() -> dict[str, Path]:
    """The study files that come with the package: name to path."""
    package = Path(__file__).parent
    # An installed wheel holds them inside the package, a checkout beside it.
    folders = [folder for folder in (package / "search_spaces", package.parent / "search_spaces") if folder.is_dir()]
    return {path.stem: path for path in sorted(folders[0].glob("*.toml"))} if folders else {}


def _find(source: str | Path) -> Path:
    names = shipped()
    if str(source) in names:
        return names[str(source)]
    path = Path(source)
    if path.is_file():
        return path
    close = difflib.get_close_matches(str(source), names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"{source}: neither a file nor a shipped study ({', '.join(names)}){hint}")


def _spell_out(table: Struct) -> dict[str, Any]:
    values = ((name, getattr(table, name)) for name in table.__struct_fields__)
    return {name: value for name, value in values if value is not None}


def tomlable(value: Any) -> Any:
    """The value as TOML can hold it; what it cannot hold becomes its `repr`."""
    if isinstance(value, Mapping):
        return {str(key): tomlable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [tomlable(entry) for entry in value]
    return value if isinstance(value, bool | int | float | str) else repr(value)


_TABLES: dict[str, tuple[str, ...]] = {
    "": _StudyFile.__struct_fields__,
    "study": _StudyTable.__struct_fields__,
    "study.budget": Budget.__struct_fields__,
    "training": Training.__struct_fields__,
    "resources": Resources.__struct_fields__,
}


def _explain(message: str) -> str:
    """msgspec's message turned into `key: what is wrong`, with the known keys where one is unknown."""
    text, _, path = message.partition(" - at `$")
    key = path.rstrip("`").lstrip(".")
    unknown = re.search(r"unknown field `(.*)`", text)
    if unknown:
        known = _TABLES.get(key, ())
        close = difflib.get_close_matches(unknown[1], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
        return f"{'.'.join(filter(None, (key, unknown[1])))}: unknown key; {hint}"
    missing = re.search(r"missing required field `(.*)`", text)
    if missing:
        kind = "table" if not key else "key"
        return f"{'.'.join(filter(None, (key, missing[1])))}: this {kind} is missing"
    return f"{key or 'study file'}: {text[0].lower()}{text[1:]}"
