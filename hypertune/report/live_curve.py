"""The incumbents of a running study as a small picture in SVG, for a notebook's cell that is updated in place."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from hypertune.comparison.numbers import number
from hypertune.records.records import Event, handle, improves
from hypertune.report.style import styles
from hypertune.study.study import Study

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 220, 70, 8, 10, 40
"""Pixels of the picture, and of the margins around the curves."""
DASHES = {"solid": "", "dash": "6 4", "dot": "2 3", "dashdot": "6 3 2 3", "longdash": "10 4", "longdashdot": "10 4 2 4"}
"""The dashes of a strategy's style, as SVG spells them."""
WHOLE = 1.0
Curve = list[tuple[float, float]]
"""Spent share of the budget and best value so far, at each improvement."""


class LiveCurve:
    """Follows a study's events, and draws the best value of each sweep against the spent share of its budget.

    Sweeps that have ended are thin. Trials without a curve of their own (retrainings) are not drawn.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._styles = styles(study.strategies)
        self._sweeps: dict[tuple[str, int], Curve] = {}
        self._current: tuple[str, int] | None = None
        self._spent = self._trials = self._share = 0.0
        self._owned: set[str] = set()

    def __call__(self, event: Event) -> None:
        handle(self, event)

    def svg(self) -> str:
        """The picture; empty before the first value."""
        values = [value for curve in self._sweeps.values() for _, value in curve]
        if not values:
            return ""
        low, high = min(values), max(values)
        pad = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        body = "".join([*self._axes(low - pad, high + pad), *self._curves(low - pad, high + pad), *self._legend()])
        words = f"The best {self._study.metric} of each sweep so far, against the spent share of its budget"
        return (
            f'<svg role="img" aria-label="{escape(words)}" viewBox="0 0 {WIDTH} {HEIGHT}" style="max-width: {WIDTH}px; '
            f'width: 100%; font: 11px sans-serif" fill="currentColor">{body}</svg>'
        )

    # Events ------------------------------------------------------------------------------------------------------

    def _on_sweep(self, event: Event) -> None:
        self._current = (event["strategy"], event["seed"])
        self._sweeps.setdefault(self._current, [])
        self._spent = self._trials = self._share = 0.0
        self._owned = set()

    def _on_trial(self, event: Event) -> None:
        self._trials += 1
        self._owned.add(event["trial_id"])

    def _on_epoch(self, event: Event) -> None:
        if self._current is None or event["trial_id"] not in self._owned:
            return
        self._spent += event["spent"]
        budget = self._study.budget
        spent = {"epochs": self._spent, "trials": self._trials, "seconds": event["wall_s"]}[budget.unit]
        self._share = min(spent / budget.amount, WHOLE)
        curve, value = self._sweeps[self._current], event["metrics"].get(self._study.metric)
        if improves(value, curve[-1][1] if curve else None, self._study.mode):
            curve.append((self._share, value))

    def _on_done(self, event: Event) -> None:
        self._current = None

    # Drawing -----------------------------------------------------------------------------------------------------

    def _point(self, share: float, value: float, low: float, high: float) -> tuple[float, float]:
        x = LEFT + share * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(y, 1)

    def _axes(self, low: float, high: float) -> Iterator[str]:
        for part in range(4):
            value = low + (high - low) * part / 3
            x, y = self._point(0.0, value, low, high)
            yield f'<path d="M{x} {y}H{WIDTH - RIGHT}" stroke="currentColor" opacity="0.15"/>'
            yield f'<text x="{x - 6}" y="{y + 4}" text-anchor="end">{escape(number(value))}</text>'
        for part in range(5):
            x, y = self._point(part / 4, low, low, high)
            yield f'<text x="{x}" y="{y + 14}" text-anchor="{"end" if part == 4 else "middle"}">{25 * part} %</text>'

    def _curves(self, low: float, high: float) -> Iterator[str]:
        for key, curve in self._sweeps.items():
            if not curve:
                continue
            style, running = self._styles[key[0]], key == self._current
            points = [self._point(*point, low, high) for point in curve]
            steps = "".join(f"H{x}V{y}" for x, y in points[1:])
            end, _ = self._point(self._share if running else WHOLE, curve[-1][1], low, high)
            yield (
                f'<path d="M{points[0][0]} {points[0][1]}{steps}H{end}" fill="none" stroke="{style.colour}" '
                f'stroke-width="{2.5 if running else 1}" stroke-dasharray="{DASHES[style.dash]}">'
                f"<title>{escape(key[0])}, seed {key[1]}</title></path>"
            )

    def _legend(self) -> Iterator[str]:
        x, y = LEFT, HEIGHT - 8
        for name in dict.fromkeys(strategy for strategy, _ in self._sweeps):
            if x > WIDTH - 80:
                return
            style = self._styles[name]
            yield (
                f'<path d="M{x} {y - 4}h18" stroke="{style.colour}" stroke-width="2.5" '
                f'stroke-dasharray="{DASHES[style.dash]}"/><text x="{x + 23}" y="{y}">{escape(name)}</text>'
            )
            x += 40 + 7 * len(name)
