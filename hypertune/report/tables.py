"""Tables of hypotheses, of a design's cells, effects and interactions, and of many hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from hypertune.comparison.effects import interactions, main_effects, variation
from hypertune.comparison.findings import Finding, findings
from hypertune.comparison.importance import importances
from hypertune.comparison.narrative import cell_name, chosen_name, effect
from hypertune.comparison.numbers import MISSING, duration, form_of, interval_of, number, setting, share, with_interval
from hypertune.comparison.runs import Runs
from hypertune.comparison.summary import experiment_summary
from hypertune.records.records import Records
from hypertune.report.captions import title_of
from hypertune.report.hyperparameters import MOST_AXES
from hypertune.report.page import Table
from hypertune.space.space import Categorical, Parameter, Space

MOST_INTERACTIONS = 12


def findings_table(records: Records) -> Table | None:
    """Each hypothesis with its verdict, effect, interval, runs and the figure that shows it."""
    found = findings(records)
    if not found:
        return None
    columns = ["hypothesis", "verdict", "effect", "what the effect is", "seeds", "runs", "corrected p", "figure"]
    return Table(columns, [_finding(one) for one in found], [False, False, True, False, True, True, True, False])


def _finding(finding: Finding) -> list[str]:
    one = finding.evidence
    p = MISSING if math.isnan(finding.p) else "< 0.001" if finding.p < 0.001 else f"{finding.p:.3f}"
    return [
        finding.text, finding.verdict, effect(finding), one.meaning, str(one.effect.seeds), str(one.runs), p,
        title_of(one.figure),
    ]  # fmt: skip


def cells_table(records: Records, most: int, *, front_only: bool = False) -> Table:
    """Configurations, the best first, with what they cost; at most `most` rows."""
    table, metric = experiment_summary(records), records.study.metric
    table = table[table["on_front"]] if front_only else table
    rows = [
        [
            cell_name(records, row), with_interval(row[metric], row["low"], row["high"]), number(row["sd"], 2),
            str(row["runs"]), duration(row["seconds"]), _weights(row["parameters"]), _place(records, row),
        ]
        for _, row in table.head(most).iterrows()
    ]  # fmt: skip
    columns = ["configuration", metric, "sd over seeds", "runs", "training", "weights", "trade-off"]
    return Table(columns, rows, [False, True, True, True, True, True, False])


def _weights(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else MISSING


def _place(records: Records, row: pd.Series[Any]) -> str:
    return chosen_name(records) if row["recommended"] else "on the front" if row["on_front"] else ""


def effects_table(facts: Runs, metric: str) -> Table:
    """Main effects: every level of every factor."""
    rows = [
        [row["factor"], setting(row["level"]), number(row["mean"]), _signed(row), str(row["seeds"])]
        for row in main_effects(facts).to_dict("records")
    ]
    effect_of = "less the baseline" if facts.baseline else "less the mean of all"
    return Table(["factor", "level", f"mean {metric}", effect_of, "seeds"], rows, [False, True, True, True, True])


def interactions_table(facts: Runs, most: int = MOST_INTERACTIONS) -> Table | None:
    """The strongest two-way interactions; None where there can be none."""
    table = interactions(facts)
    if table.empty:
        return None
    rows = [
        [f"{row['factor']} = {setting(row['level'])}", f"{row['other']} = {setting(row['other_level'])}", _signed(row),
         str(row["seeds"])]
        for row in table.head(most).to_dict("records")
    ]  # fmt: skip
    return Table(["level", "together with", "beyond both main effects", "seeds"], rows, [False, False, True, True])


def variation_table(facts: Runs) -> Table | None:
    """What share of the variation among all runs each factor and interaction explains."""
    table = variation(facts)
    if table.empty:
        return None
    rows = [[str(row["term"]), share(row["share"])] for row in table.to_dict("records")]
    return Table(["term", "share of the variation"], rows, [False, True])


def _signed(row: dict[Any, Any]) -> str:
    if not math.isfinite(row["effect"]):
        return MISSING
    if row["low"] == row["high"] or not math.isfinite(row["low"]):
        return f"{row['effect']:+.4g}"
    return f"{row['effect']:+{form_of(row['low'], row['high'])}} {interval_of(row['low'], row['high'])}"


def hyperparameters_table(records: Records, best: Mapping[str, Any] | None) -> Table | None:
    """All hyperparameters, the most important first; None if the figures show them all.

    Args:
        best: the configuration to take, for its values.
    """
    parameters = records.study.space.parameters()
    if len(parameters) <= MOST_AXES:
        return None
    known = importances(records)
    share_of = dict(zip(known["hyperparameter"], known["importance"], strict=True))
    values = records.study.space.encode(best) if best is not None else {}
    ordered = sorted(parameters, key=lambda parameter: -share_of.get(parameter.key, 0.0))
    rows = [
        [
            parameter.key, _domain(parameter), share(share_of[parameter.key]) if parameter.key in share_of else MISSING,
            _value(parameter, values[parameter.key]) if parameter.key in values else MISSING,
        ]
        for parameter in ordered
    ]  # fmt: skip
    return Table(["hyperparameter", "domain", "importance", "best value"], rows, [False, False, True, True])


def _domain(parameter: Parameter) -> str:
    domain = parameter.domain
    if isinstance(domain, Categorical):
        return f"{'grid_search' if domain.grid else 'choice'} of {len(domain.options)}"
    return f"{domain.kind} {', '.join(setting(value) for value in domain.args)}"


def _value(parameter: Parameter, number_of: float | int) -> str:
    domain = parameter.domain
    if not isinstance(domain, Categorical):
        return setting(number_of)
    option = domain.options[int(number_of)]
    return f"option {int(number_of) + 1}" if isinstance(option, Space) else setting(option)
