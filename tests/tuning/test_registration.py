"""Trainables of studies that run in threads of one process."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ray.tune import Trainable
from ray.tune.registry import get_trainable_cls

from hypertune.tuning import registration
from hypertune.tuning.registration import registered


class Table:
    """Counts who writes at the same time, as Ray Tune's table would go wrong."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.meet = threading.Event()

    def register(self, name: str, trainable: Any) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.meet.wait(0.05)
        self.inside -= 1


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    made = Table()
    monkeypatch.setattr(registration, "register_trainable", made.register)
    return made


def test_two_threads_register_one_after_the_other(table: Table) -> None:
    names: list[str] = []

    def register() -> None:
        with registered(object, "train") as name:
            names.append(name)
            together.wait(10)

    together = threading.Barrier(4)
    threads = [threading.Thread(target=register) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert table.most == 1
    assert sorted(names) == ["train", "train (2)", "train (3)", "train (4)"]


def test_a_name_is_free_again_afterwards(table: Table) -> None:
    for _ in range(2):
        with registered(object, "train") as name:
            assert name == "train"


def test_the_second_of_a_name_does_not_replace_the_first() -> None:
    class First(Trainable):
        number = 1

    class Second(Trainable):
        number = 2

    with registered(First, "same") as one, registered(Second, "same") as other:
        assert (get_trainable_cls(one).number, get_trainable_cls(other).number) == (1, 2)


def test_what_cannot_be_registered_leaves_no_name() -> None:
    for _ in range(2):
        with pytest.raises(TypeError), registered(int, "number"):
            raise AssertionError("int is no trainable")
    assert "number" not in registration._taken
