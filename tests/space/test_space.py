"""Domains and spaces: exact types, bounds, the way to Ray Tune and back, conditional choices."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypertune.space.domains import Numeric
from hypertune.space.space import Categorical, Parameter, Space, flatten

EVERY_DOMAIN = {
    "a": {"uniform": [0.0, 1.0]},
    "b": {"quniform": [0.0, 1.0, 0.25]},
    "c": {"loguniform": [1e-4, 1e-1]},
    "d": {"qloguniform": [0.1, 10.0, 0.1]},
    "e": {"randn": [0.0, 2.0]},
    "f": {"qrandn": [0.0, 2.0, 0.5]},
    "g": {"randint": [2, 16]},
    "h": {"qrandint": [2, 16, 2]},
    "i": {"lograndint": [1, 1000]},
    "j": {"qlograndint": [8, 64, 8]},
    "k": {"choice": ["none", "batch", 3, 0.5, True]},
    "l": {"grid_search": [1, 2, 4]},
    "m": 7,
    "n": {"width": {"randint": [1, 5]}, "name": "fixed"},
    "p": {"qrandint": [-9, -2, 3]},
    "q": {"quniform": [-1.0, 1.0, 0.5]},
    "o": {"choice": [{"name": "sgd", "momentum": {"uniform": [0.0, 1.0]}}, {"name": "adam"}, "plain"]},
}


def at(u: float) -> Any:
    """A pick that takes quantile `u` of every domain."""

    def pick(parameter: Parameter) -> float:
        if isinstance(parameter.domain, Categorical):
            return min(int(u * len(parameter.domain.options)), len(parameter.domain.options) - 1)
        return parameter.domain.from_unit(u)

    return pick


@given(st.floats(0, 1))
def test_every_domain_stays_in_bounds_with_exact_types(u: float) -> None:
    space = Space.parse(EVERY_DOMAIN)
    config = space.resolve(at(u))
    assert space.contains(config), config
    assert type(config["g"]) is int
    assert 2 <= config["g"] <= 15
    assert config["h"] % 2 == 0
    assert config["m"] == 7


@pytest.mark.parametrize(
    ("kind", "args", "low", "high"),
    [
        ("randint", (2, 16), 2, 15),
        ("qrandint", (2, 16, 2), 2, 16),
        ("lograndint", (1, 1000), 1, 999),
        ("qlograndint", (8, 64, 8), 8, 64),
        ("quniform", (0.0, 1.0, 0.1), 0.0, 1.0),
        ("quniform", (-1.0, 1.0, 0.5), -1.0, 1.0),
        ("quniform", (-0.9, -0.1, 0.2), -0.8, -0.2),
        ("qrandint", (-10, 10, 5), -10, 10),
        ("qrandint", (-7, -2, 3), -6, -3),
        ("qrandint", (-3, 3, 1), -3, 2),
        ("qloguniform", (0.1, 1.0, 0.25), 0.25, 1.0),
    ],
)
def test_bounds_are_those_of_ray_tune(kind: str, args: tuple[float, ...], low: float, high: float) -> None:
    domain = Numeric(kind, args)
    assert domain.from_unit(0.0) == low
    assert domain.from_unit(1.0) == high


NEGATIVE = [
    ("quniform", (-1.0, 1.0, 0.5)),
    ("quniform", (-0.8, -0.2, 0.2)),
    ("qrandint", (-10, 10, 5)),
    ("qrandint", (-7, -2, 3)),
    ("qrandint", (-3, 3, 1)),
    ("qrandn", (-4.0, 0.5, 0.5)),
]


@pytest.mark.parametrize(("kind", "args"), NEGATIVE)
def test_negative_values_are_those_of_ray_tune(kind: str, args: tuple[float, ...]) -> None:
    from ray import tune

    from hypertune.space.from_ray import from_ray

    domain = Numeric(kind, args)
    samples = getattr(tune, kind)(*args).sample(size=2000, random_state=0)
    rays = sorted({round(float(value), 9) for value in samples})
    ours = sorted({domain.from_unit((i + 0.5) / 2000) for i in range(2000)})
    assert all(domain.contains(domain.cast(value)) and domain.cast(value) == pytest.approx(value) for value in rays)
    if not domain.normal:
        assert ours == pytest.approx(rays)
    assert from_ray({"x": getattr(tune, kind)(*args)}).entries["x"] == domain
    assert from_ray({"x": tune.uniform(-1, 1).quantized(0.5)}).entries["x"] == Numeric("quniform", (-1.0, 1.0, 0.5))


@pytest.mark.parametrize(("kind", "args"), [case for case in NEGATIVE if case[0] != "qrandn"])
def test_levels_below_zero_are_enumerated_and_searched_alike(kind: str, args: tuple[float, ...]) -> None:
    """A grid has every level; population based training, which multiplies, never leaves them."""
    from hypertune.study.design import level_numbers

    domain = Numeric(kind, args)
    levels = level_numbers(domain, points=3, levels=32)
    assert (levels[0], levels[-1], len(levels)) == (domain.low, domain.high, domain.levels)
    assert all(domain.contains(level) for level in levels)
    assert [domain.from_unit(domain.to_unit(level)) for level in levels] == levels
    assert all(domain.contains(domain.cast(level * factor)) for level in levels for factor in (0.8, 1.25, -1.0))


def test_every_level_gets_its_share() -> None:
    domain, rng = Numeric("randint", (0, 4)), random.Random(0)
    counts = [0] * 4
    for _ in range(8000):
        counts[int(domain.from_unit(rng.random()))] += 1
    assert all(1850 < count < 2150 for count in counts)


def test_log_domains_are_uniform_in_the_logarithm() -> None:
    assert Numeric("loguniform", (1e-4, 1e-2)).from_unit(0.5) == pytest.approx(1e-3)


@given(st.floats(0, 1), st.sampled_from([k for k in EVERY_DOMAIN if k not in "klmno"]))
def test_to_unit_undoes_from_unit(u: float, name: str) -> None:
    domain = Space.parse(EVERY_DOMAIN).entries[name]
    value = domain.from_unit(u)
    assert domain.from_unit(domain.to_unit(value)) == pytest.approx(value, rel=1e-6, abs=1e-9)


def test_conditional_hyperparameters_exist_only_when_chosen() -> None:
    space = Space.parse({"o": EVERY_DOMAIN["o"]})
    assert [p.key for p in space.parameters()] == ["o", "o[0]/momentum"]
    assert space.conditional
    assert space.resolve(lambda p: 0 if p.key == "o" else 0.25) == {"o": {"name": "sgd", "momentum": 0.25}}
    assert space.resolve(lambda p: 1) == {"o": {"name": "adam"}}
    assert space.encode({"o": {"name": "sgd", "momentum": 0.25}}) == {"o": 0, "o[0]/momentum": 0.25}
    assert space.encode({"o": "plain"}) == {"o": 2}


@given(st.floats(0, 1))
def test_encode_undoes_resolve(u: float) -> None:
    space = Space.parse(EVERY_DOMAIN)
    config = space.resolve(at(u))
    encoded = space.encode(config)
    assert space.resolve(lambda parameter: encoded[parameter.key]) == config


def test_toml_and_back() -> None:
    space = Space.parse(EVERY_DOMAIN)
    assert Space.parse(space.to_toml()) == space


def test_ray_tune_and_back() -> None:
    from hypertune.space.from_ray import from_ray, to_ray

    space = Space.parse({name: value for name, value in EVERY_DOMAIN.items() if name != "l"})
    assert from_ray(to_ray(space)) == space


def test_a_param_space_of_ray_tune_is_taken_as_it_is() -> None:
    from ray import tune

    from hypertune.space.from_ray import from_ray

    space = from_ray({"lr": tune.loguniform(1e-4, 1e-1), "grid": tune.grid_search([1, 2]), "const": [1, 2]})
    assert space.entries["lr"] == Numeric("loguniform", (1e-4, 1e-1))
    assert space.entries["grid"] == Categorical((1, 2), grid=True)
    assert space.entries["const"] == [1, 2]
    with pytest.raises(ValueError, match=r"space\.x: .*sample_from looks at other hyperparameters"):
        from_ray({"x": tune.sample_from(lambda config: config["y"] * 2)})


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"x": {"uniform": [1.0, 0.0]}}, "space.x: uniform takes .* low <= high"),
        ({"x": {"uniform": [0.0]}}, "space.x: uniform takes"),
        ({"x": {"uniform": 3}}, "space.x: uniform takes a list"),
        ({"x": {"uniform": ["a", 1]}}, "space.x: .* finite numbers"),
        ({"x": {"uniform": [0.0, math.inf]}}, "space.x: .* finite numbers"),
        ({"x": {"loguniform": [0.0, 1.0]}}, "space.x: .*logarithmic"),
        ({"x": {"randint": [1.5, 4]}}, "space.x: .*integers"),
        ({"x": {"randint": [True, 4]}}, "space.x: .*finite numbers"),
        ({"x": {"randn": [0.0, 0.0]}}, "space.x: .*sd > 0"),
        ({"x": {"quniform": [0.1, 0.2, 0.3]}}, "space.x: .*no value lies between"),
        ({"x": {"randint": [3, 3]}}, "space.x: .*no value lies between"),
        ({"x": {"uniform": [0, 10**400]}}, "space.x: .*finite numbers"),
        ({"x": {"quniform": [0.0, 1.0, -1.0]}}, "space.x: .*q > 0"),
        ({"x": {"quniform": [0.0, 1e10, 1e-300]}}, "space.x: .*1e-300 is too small a step for these bounds"),
        ({"x": {"array": [-1], "dtype": "uint8"}}, "space.x: array: numbers in lists"),
        ({"x": {"choice": [{"literal [1]": 2}]}}, r"space.x: 'literal \[1\]': no key of a dict"),
        ({"x": {"choice": []}}, "space.x: choice takes a list of at least one"),
        ({"x": {"choice": [1, {"literal": "None +"}]}}, r"space.x\[1\]: literal: "),
        ({"x": {"logunifrom": [1, 2]}}, "space.x: unknown domain 'logunifrom'; did you mean loguniform"),
        ({"x": {"uniform": [0.0, 1.0], "randint": [1, 2]}}, "space.x: give one domain per hyperparameter"),
        ({"x": {"y": {"uniform": [1.0, 0.0]}}}, "space.x.y: "),
        ({"x": {"choice": [{"y": {"uniform": [1.0, 0.0]}}]}}, r"space.x\[0\].y: "),
    ],
)
def test_a_wrong_domain_is_named_with_its_remedy(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        Space.parse(table)
    assert "\n" not in str(error.value)


def test_flatten_joins_names() -> None:
    assert flatten({"a": 1, "b": {"c": 2, "d": {"e": 3}}}) == {"a": 1, "b/c": 2, "b/d/e": 3}
