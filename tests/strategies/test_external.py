"""What searchers of libraries with hidden state are told, and how they are restored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from hypertune.space.space import Config, Parameter, Space
from hypertune.strategies.external import ExternalSearcher, decode, encode, sizes
from hypertune.study.warm_start import EarlierTrial
from tests.strategies.contract import EVERY_DOMAIN

SPACE = Space.parse({"x": {"uniform": [0.0, 1.0]}})


class Library(ExternalSearcher):
    """Its state is the list of all questions and answers, on which every suggestion depends."""

    def __init__(self) -> None:
        super().__init__(SPACE, metric="acc", mode="max", seed=0)
        self.log: list[tuple[int, float | None]] = []

    def propose(self, number: int, rng: np.random.Generator) -> Config:
        self.log.append((number, None))
        return {"x": float(np.random.default_rng(abs(hash(tuple(self.log)))).random())}

    def add(self, coordinates: Mapping[str, float | int]) -> None:
        self.log.append((-1, coordinates["x"]))

    def tell(self, number: int, loss: float) -> None:
        self.log.append((number, loss))

    def answers(self) -> list[tuple[int, float | None]]:
        return [entry for entry in self.log if entry[1] is not None]


def test_failures_are_told_as_the_worst_so_far_once_there_is_one() -> None:
    library = Library()
    for name in "abcd":
        library.suggest(name)
    library.on_trial_complete("a", None, error=True)
    assert library.answers() == []
    library.on_trial_complete("b", {"acc": 0.5})
    assert library.answers() == [(1, -0.5), (0, -0.5)]
    library.on_trial_complete("c", {"acc": 0.2})
    library.on_trial_complete("d", None, error=True)
    assert library.answers()[2:] == [(2, -0.2), (3, -0.2)]


def test_restoring_repeats_questions_and_answers_in_their_order(tmp_path: Path) -> None:
    library = Library()
    for name in "abc":
        library.suggest(name)
    library.on_trial_complete("b", {"acc": 0.5})
    library.suggest("d")
    library.on_trial_complete("a", None, error=True)
    library.on_trial_complete("d", {"acc": 0.1})
    library.suggest("e")
    library.save(str(tmp_path / "state"))
    restored = Library()
    restored.restore(str(tmp_path / "state"))
    assert restored.log == library.log
    assert restored.history == library.history
    assert restored.suggest("f") == library.suggest("f")


def test_an_earlier_study_s_trials_are_told_first_and_once(tmp_path: Path) -> None:
    known = [EarlierTrial(numbers={"x": 0.25}, epochs=3, value=value) for value in (None, 0.5)]
    library, restored = Library(), Library()
    for one in (library, restored):
        one.know(known)
        assert one.log == [(-1, 0.25), (-1, 0.25), (1, -0.5), (0, -0.5)]
    library.suggest("a")
    library.on_trial_complete("a", {"acc": 0.4})
    assert library.log[4:] == [(2, None), (2, -0.4)]
    library.save(str(tmp_path / "state"))
    restored.restore(str(tmp_path / "state"))
    assert (restored.log, restored.history) == (library.log, library.history)


@pytest.mark.parametrize("end", [0.0, 0.5, 1.0])
def test_every_coordinate_means_a_value_of_its_domain(end: float) -> None:
    def pick(parameter: Parameter) -> float | int:
        size = sizes(parameter)
        return decode(parameter, end if size is None else round(end * (size - 1)))

    config = EVERY_DOMAIN.resolve(pick)
    assert EVERY_DOMAIN.contains(config)
    told = EVERY_DOMAIN.encode(config)
    active = [parameter for parameter in EVERY_DOMAIN.parameters() if parameter.key in told]
    again = {parameter.key: decode(parameter, encode(parameter, told[parameter.key])) for parameter in active}
    assert again == pytest.approx(told)
