"""A study: everything that defines a comparison. TOML in, checked, TOML out."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hypertune.space.space import Space
from hypertune.space.values import from_toml, to_toml
from hypertune.study.design import EPOCHS, Design, Factor
from hypertune.study.file import Budget, Logging, Resources, StudyFile, Training, convert
from hypertune.study.hypotheses import Hypothesis, Parser

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a study or strategy may be called: safe as a folder name and in a report."""
LONGEST_NAME = 1000


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
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
    give_up_after: int = 10
    """Trials that may fail before one has reported anything; then the study ends. 0 for any number."""
    hypotheses: tuple[str, ...] = ()
    """Sentences that the records are to support or refute; see `hypertune.study.hypotheses`."""
    design: Design | None = None
    """A design of experiments in place of strategies: its cells are the one sweep of every seed, each in full."""
    logging: Logging = field(default_factory=Logging)
    """What is kept of every trial besides the records."""

    def __post_init__(self) -> None:
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
            if len(set(values)) < len(values):
                raise ValueError(f"study.{key}: each one once, got {list(values)}")
        for name in self.options:
            if name not in self.strategies:
                raise ValueError(
                    f"strategies.{name}: options of a strategy that is not in study.strategies "
                    f"({', '.join(self.strategies)})"
                )
        if not self.space.parameters() and not (self.design and self.design.epochs):
            raise ValueError("space: names no hyperparameter to search, e.g. lr = { loguniform = [1e-4, 1e-1] }")
        for name in self.space.entries:
            if name in self.training.config:
                raise ValueError(f"space.{name}: stands in training.config as a constant too; keep one of them")
        if self.design is not None:
            _check_design(self, self.design)
        self.claims()

    def __repr__(self) -> str:
        names = ", ".join(map(str, self.space.entries))
        return f"Study({self.name}: {self.outline()}; {self.mode} {self.metric} of {self.training.trainable}; {names})"

    def outline(self) -> str:
        """What is compared, in words: `random, asha; 5 seeds; 200 epochs each`."""
        seeds = f"{len(self.seeds)} seed{'s' * (len(self.seeds) != 1)}"
        return f"{', '.join(self.strategies)}; {seeds}; {self.budget} each"

    def factors(self) -> tuple[Factor, ...]:
        """What the design varies; nothing without one."""
        return self.design.factors(self.space) if self.design is not None else ()

    def claims(self) -> tuple[Hypothesis, ...]:
        """The hypotheses, read.

        Raises:
            ValueError: if one cannot be checked by this study.
        """
        if self.design is not None:
            parser = Parser(self.factors(), (), self.metric)
        else:
            names = (parameter.key for parameter in self.space.parameters())
            parser = Parser([Factor(name, ()) for name in names], self.strategies, self.metric)
        return tuple(_claim(parser, number, text) for number, text in enumerate(self.hypotheses))

    @staticmethod
    def load(source: str | Path) -> Study:
        """Reads a study file, or a shipped study by its name, e.g. `digits_cnn`.

        Raises:
            ValueError: one line that names the file, the key and what would be right.
        """
        path = _find(source)
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
            ValueError: one line that names the key and what would be right.
        """
        file = convert(_read_values({**tables, "space": tables.get("space", {})}))
        table, space = file.study, Space.parse(file.space)
        seeds = range(table.seeds) if isinstance(table.seeds, int) else table.seeds
        return Study(
            name=table.name,
            seeds=tuple(seeds),
            metric=table.metric,
            mode=table.mode,
            retrain=table.retrain,
            give_up_after=table.give_up_after,
            hypotheses=tuple(table.hypotheses),
            training=file.training,
            space=space,
            design=file.design,
            resources=file.resources,
            logging=file.logging,
            **_plan(file, space),
        )

    def to_tables(self) -> dict[str, Any]:
        """The tables that `parse` reads back to the same study, every default spelt out."""
        planned = {"strategies": list(self.strategies), "budget": msgspec.to_builtins(self.budget)}
        table = {"seeds": list(self.seeds), "metric": self.metric, "mode": self.mode, "retrain": self.retrain}
        table["give_up_after"] = self.give_up_after
        tables = {
            "study": {"name": self.name, **({} if self.design else planned), **table},
            "training": _spell_out(self.training),
            "space": self.space.to_toml(),
            "resources": _spell_out(self.resources),
            "logging": _spell_out(self.logging),
        }
        if self.hypotheses:
            tables["study"]["hypotheses"] = list(self.hypotheses)
        if self.design is not None:
            return {**tables, "design": _spell_out(self.design)}
        return {**tables, "strategies": {name: to_toml(dict(options)) for name, options in self.options.items()}}

    def to_toml(self) -> str:
        """The resolved study as a study file; see `hypertune.space.values` for what TOML cannot hold."""
        import tomli_w

        return tomli_w.dumps(self.to_tables())

    def replace(self, **changes: Any) -> Study:
        """A copy with some fields changed and everything checked again."""
        if "strategies" in changes and "options" not in changes:
            changes["options"] = {k: v for k, v in self.options.items() if k in changes["strategies"]}
        return dataclasses.replace(self, **changes)


def plan(design: Design, space: Space) -> dict[str, Any]:
    """The fields of a study that its design decides: strategies, their options, and the budget of all its cells.

    Raises:
        ValueError: if the space or the baseline does not make a design.
    """
    try:
        cells = design.cells(space).size
    except ValueError as error:
        raise ValueError(f"design: {error}") from None
    return {"strategies": (design.kind,), "options": {design.kind: design.options}, "budget": Budget(trials=cells)}


def _read_values(tables: dict[str, Any]) -> dict[str, Any]:
    """The tables with what `to_toml` has spelled as the values that it stands for; the space reads its own."""
    read = {}
    for name, keys in (("training", ("config",)), ("design", ("baseline",)), ("strategies", ())):
        table = tables.get(name)
        if isinstance(table, dict):
            try:
                read[name] = {k: from_toml(v) if not keys or k in keys else v for k, v in table.items()}
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    return {**tables, **read}


def _plan(file: StudyFile, space: Space) -> dict[str, Any]:
    if file.design is None:
        names = tuple(file.study.strategies or ())
        return {"strategies": names, "budget": file.study.budget, "options": file.strategies}
    if file.strategies:
        raise ValueError(f"strategies.{next(iter(file.strategies))}: a [design] has no strategies; leave it out")
    return plan(file.design, space)


def _check_design(study: Study, design: Design) -> None:
    """Whether the study runs each of the design's cells in full.

    Raises:
        ValueError: if it does not, or if its epochs cannot be read off its curves.
    """
    if {key: getattr(study, key) for key in ("strategies", "budget")} != {
        key: value for key, value in plan(design, study.space).items() if key != "options"
    }:
        raise ValueError(
            "design: each of its cells is run in full, never stopped early, so that it has neither other strategies nor"
            " another budget; leave --strategies and --budget out"
        )
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
            f"design.epochs: the last one, {epochs[-1]}, has to be training.max_epochs, {study.training.max_epochs}"
        )
    if "lr_schedule" in study.space.entries or study.training.config.get("lr_schedule", "none") != "none":
        raise ValueError(
            "design.epochs: with an lr_schedule a training of fewer epochs is not the beginning of a longer one; "
            'use lr_schedule = "none", or one study per max_epochs'
        )


def _claim(parser: Parser, number: int, text: str) -> Hypothesis:
    try:
        return parser.parse(text)
    except ValueError as error:
        raise ValueError(f"study.hypotheses[{number}]: {error}") from None


def shipped() -> dict[str, Path]:
    """The study files that come with the package: name to path."""
    package = Path(__file__).parents[1]
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
    return {name: to_toml(value) for name, value in values if value is not None}
