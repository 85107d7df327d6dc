"""How often each form of hypothesis is supported or refuted falsely, and how often rightly.

`python -m tests.benchmarks.hypotheses [--form FORM]` prints one JSON line per form, noise and number of seeds: the
worst rate over the form's least favourable cases and over how the noise is spread over the cells; then a table per
form, the worst over the noises. The peer in the same run is the uncorrected test: t-tests of the same differences, the
fitted slope for a trend, and the ranges within seeds for robustness.

With `--looks` a study is looked at after each of seeds 3 to 30, and any false claim at any look counts; the peer does
not correct for the looks.

A study has one hypothesis; the noise of a cell has the standard deviation 1 unless it is the noisier one.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from hypertune.comparison import claims
from hypertune.comparison.findings import LOOKS
from tests.benchmarks.judgement import noise

Floats = claims.Floats
Test = Callable[[Floats, float], claims.Weighed]
"""Values, shape (repeats, cells, seeds), and their step to the p-values of support and refutation."""
NOISES = ("normal", "exponential", "negative exponential", "rounded to one")
SEEDS = (3, 5, 10, 30)
TRIALS = 15


@dataclass(frozen=True)
class Form:
    """A form with its truths: means of the cells.

    Attributes:
        test, peer: ours, and the one it replaces.
        false: where the claim is just false, so that supporting it is an error.
        true: where it is just true, so that refuting it is an error.
        clear: where it is clearly true and clearly false, for the power.
        noisy: how many cells, the first ones, have more noise in some settings, and all the others in some; with 0 all
            are equally noisy, as in the ranks of trials, on whose mean the noise has an influence.
    """

    test: Test
    peer: Test
    false: list[list[float]]
    true: list[list[float]]
    clear: tuple[list[float], list[float]]
    noisy: int = 1


def plainly(test: Test) -> Test:
    """The same without regard to skewness."""

    def plain(values: Floats, step: float) -> claims.Weighed:
        kept, claims.SKEWNESS = claims.SKEWNESS, 0.0
        try:
            return test(values, step)
        finally:
            claims.SKEWNESS = kept

    return plain


def both(per_seed: Floats) -> claims.Weighed:
    """Student's t of one number per seed, both ways."""
    nothing = np.zeros_like(per_seed)
    return plainly(lambda values, step: claims.better(values, nothing, 0.0))(per_seed, 0.0)


def fitted(values: Floats, step: float) -> claims.Weighed:
    """The slope alone, refuted also by a clear step the wrong way."""
    weights = np.arange(values.shape[-2]) - (values.shape[-2] - 1) / 2
    up, down = both(np.einsum("l,rls->rs", weights, values))
    steps = both(np.diff(values, axis=-2))[1]
    return up, np.minimum(down, steps.min(axis=-1) * steps.shape[-1])


def ranges(values: Floats, step: float) -> claims.Weighed:
    narrow, wide = np.split(values, 2, axis=-2)
    return both(np.ptp(wide, axis=-2) - np.ptp(narrow, axis=-2))


def thirds(values: Floats) -> Floats:
    """Mean ranks as those of `TRIALS` trials of random search, whose order is that of the hyperparameter."""
    ranks = rankdata(values, axis=-2) / values.shape[-2]
    return np.stack([part.mean(axis=-2) for part in np.split(ranks, 3, axis=-2)], axis=-2)


def correlations(values: Floats, step: float) -> claims.Weighed:
    """Spearman's correlations by seed, tested against zero."""
    places = np.arange(values.shape[-2]) - (values.shape[-2] - 1) / 2
    return both(np.einsum("l,rls->rs", places, rankdata(values, axis=-2)))


def _two(test: Callable[..., claims.Weighed], margin: float) -> Test:
    return lambda values, step: test(values[..., 0, :], values[..., 1, :], margin, step=step)


def _form(test: Test, **truths: object) -> Form:
    return Form(test, plainly(test), **truths)  # type: ignore[arg-type]


LOW = -30.0
"""So bad a level that it decides nothing."""
FORMS = {
    "better": _form(_two(claims.better, 1.0), false=[[1, 0]], true=[[1, 0]], clear=([4, 0], [-2, 0])),
    "equal": _form(_two(claims.equal, 2.0), false=[[2, 0], [-2, 0]], true=[[2, 0], [-2, 0]], clear=([0, 0], [5, 0])),
    "equal within little": _form(_two(claims.equal, 0.02), false=[[0.02, 0]], true=[[0, 0]], clear=([0, 0], [3, 0])),
    "trend": Form(
        lambda values, step: claims.trend(values, 1.0, step=step), fitted,
        false=[[0, 0, 0], [0, 0.9, 0], [LOW, 0, -1], [-4, 0, -1.5], [LOW, 1, 0.5, 0, 0]],
        true=[[0, 0, 0], [0, -1, 0], [0, 1, 0, 1, 0], [LOW, 0, -1]], clear=([0, 3, 6], [0, 4, 0]),
    ),
    "trend without a margin": Form(
        lambda values, step: claims.trend(values, None, step=step), fitted,
        false=[[0, 0, 0], [0, 33, 30]], true=[[0, 0, 0], [0, 33, 30]], clear=([0, 3, 6], [0, 4, 0]),
    ),
    "trend of trials": Form(
        lambda values, step: claims.trend(thirds(values), None), correlations,
        # With this step down the ranks fall by a tenth of their rise, if the noise is normal.
        false=[[0.0] * TRIALS, [0.0] * 5 + [5.0] * 5 + [0.0] * 5, [LOW] * 5 + [0.0] * 5 + [-0.255] * 5],
        true=[[0.0] * TRIALS, [LOW] * 5 + [0.0] * 5 + [-0.154] * 5],
        clear=([i / 5 for i in range(TRIALS)], [LOW] * 5 + [0.0] * 5 + [-3.0] * 5), noisy=0,
    ),
    "no gain": _form(
        lambda values, step: claims.no_gain(values, 1.0, step=step),
        false=[[0, 1, LOW, LOW], [0, 1, 1, 1]], true=[[0, 1, 1, 1], [0, 1, LOW, LOW]],
        clear=([0, -2, -2, -2], [0, 0, 0, 4]),
    ),
    "flat": _form(
        lambda values, step: claims.flat(values, 2.0, step=step),
        false=[[0, 2, 0, 0], [0, 2, -2, 0]], true=[[0, 2, 2, 2], [0, 2, -2, 2]], clear=([0, 0, 0, 0], [0, 0, 0, 5]),
    ),
    "robust": Form(
        lambda values, step: claims.robust(*np.split(values, 2, axis=-2), step=step), ranges,
        false=[[0] * 6, [0, 0, 3, 0, 0, 3], [0, 9, 4, 0, 9, 0]], true=[[0] * 6, [0, 0, 3, 0, 0, 3]],
        clear=([0, 0, 0, 0, 0, 5], [0, 0, 5, 0, 0, 0]), noisy=3,
    ),
    "robust over two levels": Form(
        lambda values, step: claims.robust(*np.split(values, 2, axis=-2), step=step), ranges,
        false=[[0] * 4, [0, 3, 0, 3]], true=[[0] * 4, [0, 3, 0, 3]], clear=([0, 0, 0, 5], [0, 5, 0, 0]), noisy=2,
    ),
    "peak": _form(
        lambda values, step: claims.peak(values, step=step),
        false=[[0, 0, 0, 0], [0, 0, 0, LOW]], true=[[0, 0, 0, 0], [0, 0, LOW, 0]], clear=([0, 4, 4, 0], [0, 1, 2, 5]),
    ),
    "bound": _form(
        lambda values, step: claims.bound(values[..., 0, :], 0.0, step=step), false=[[0]], true=[[0]],
        clear=([2], [-2]),
    ),
}  # fmt: skip


def spreads(form: Form, cells: int) -> Iterator[Floats]:
    """Standard deviations of the cells."""
    first = np.arange(cells) < form.noisy
    yield np.ones(cells)
    for ratio in (4.0, 100.0) if form.noisy else ():
        yield from (np.where(first, ratio, 1.0), np.where(first, 1.0, ratio))


def sample(means: list[float], scale: Floats, kind: str, seeds: int, repeats: int) -> tuple[Floats, float]:
    """Values, shape (repeats, cells, seeds), and the step that they are rounded to."""
    generator = np.random.default_rng(seeds)
    drawn = noise("normal" if kind == "rounded to one" else kind, generator, (repeats * seeds, len(means)))
    values = (drawn * scale + means).reshape(repeats, seeds, len(means)).swapaxes(-1, -2)
    if kind != "rounded to one":
        return values, 0.0
    # The means may lie anywhere between two steps.
    offset = generator.random((repeats, 1, 1))
    return np.round(values + offset) - offset, 1.0


def decided(test: Test, values: Floats, step: float) -> tuple[float, float]:
    """Shares of studies in which the claim is supported and refuted."""
    support, refute = test(values, step)
    clear = 2 * np.fmin(support, refute) < 0.05
    return float((clear & (support < refute)).mean()), float((clear & (support >= refute)).mean())


def errors(form: Form, test: Test, kind: str, seeds: int, repeats: int) -> list[float]:
    """The worst rates of false support and of false refutation."""
    worst = []
    for way, truths in enumerate((form.false, form.true)):
        settings = [(means, scale) for means in truths for scale in spreads(form, len(means))]
        worst.append(max(decided(test, *sample(*setting, kind, seeds, repeats))[way] for setting in settings))
    return worst


def power(form: Form, test: Test, kind: str, seeds: int, repeats: int) -> list[float]:
    """How often what is clearly true is supported and what is clearly false refuted, all cells equally noisy."""
    samples = [sample(means, np.ones(len(means)), kind, seeds, repeats) for means in form.clear]
    return [decided(test, *values)[way] for way, values in enumerate(samples)]


def line(name: str, kind: str, seeds: int, repeats: int) -> dict[str, object]:
    """The rates of one form with one kind of noise, ours and the peer's."""
    form, columns = FORMS[name], ("false_support", "false_refutation", "right_support", "right_refutation")
    rates: dict[str, object] = {}
    for who, test in (("", form.test), ("_peer", form.peer)):
        found = [*errors(form, test, kind, seeds, repeats), *power(form, test, kind, seeds, repeats)]
        rates |= {column + who: round(rate, 4) for column, rate in zip(columns, found, strict=True)}
    return {"benchmark": "hypotheses", "form": name, "noise": kind, "seeds": seeds, "repeats": repeats, **rates}


def looked(name: str, kind: str, repeats: int) -> dict[str, object]:
    """How often a false claim is made at any look, for both ways, and after how many seeds clear cases are decided."""
    form, most = FORMS[name], SEEDS[-1]
    worst = {(way, factor): 0.0 for way in (0, 1) for factor in (LOOKS, 1.0)}
    for way, truths in enumerate((form.false, form.true)):
        for means, scale in [(cells, scale) for cells in truths for scale in spreads(form, len(cells))]:
            p = _over_looks(form, *sample(means, scale, kind, most, repeats))
            own, other = p[way], p[1 - way]
            for factor in (LOOKS, 1.0):
                rate = float(((2 * factor * own < 0.05) & (own < other)).any(axis=0).mean())
                worst[way, factor] = max(worst[way, factor], rate)
    seeds = []
    for way, means in enumerate(form.clear):
        p = _over_looks(form, *sample(means, np.ones(len(means)), kind, most, repeats))[way]
        decided = 2 * LOOKS * p < 0.05
        seeds.append(float(np.where(decided.any(axis=0), 3 + decided.argmax(axis=0), most).mean()))
    return {
        "benchmark": "looks", "form": name, "noise": kind, "repeats": repeats,
        "false_support": worst[0, LOOKS], "false_refutation": worst[1, LOOKS],
        "false_support_peer": worst[0, 1.0], "false_refutation_peer": worst[1, 1.0],
        "seeds_to_support": round(seeds[0], 1), "seeds_to_refute": round(seeds[1], 1),
    }  # fmt: skip


def _over_looks(form: Form, values: Floats, step: float) -> Floats:
    """p-values, shape (way, look, repeat)."""
    looks = [form.test(values[..., :seeds], step) for seeds in range(SEEDS[0], SEEDS[-1] + 1)]
    p: Floats = np.nan_to_num(np.array(looks).swapaxes(0, 1), nan=1.0)
    return p


def main() -> None:
    """Prints a JSON line per setting and a table of the worst."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--form", choices=FORMS, action="append")
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--looks", action="store_true")
    arguments = parser.parse_args()
    if arguments.looks:
        for name, kind in itertools.product(arguments.form or FORMS, NOISES):
            print(json.dumps(looked(name, kind, arguments.repeats)), flush=True)
        return
    for name in arguments.form or FORMS:
        lines = []
        for kind, seeds in itertools.product(NOISES, SEEDS):
            lines.append(line(name, kind, seeds, arguments.repeats))
            print(json.dumps(lines[-1]), flush=True)
        for column in list(lines[0])[5:]:
            worst = max if column.startswith("false") else min
            by_seeds = [worst(one[column] for one in lines if one["seeds"] == seeds) for seeds in SEEDS]  # type: ignore[type-var]
            print(f"# {name:24s} {column:24s}" + "".join(f"{value:8.3f}" for value in by_seeds), flush=True)


if __name__ == "__main__":
    main()
