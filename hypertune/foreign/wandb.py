"""Exports of Weights & Biases: the table of runs, the chart of one metric, or the table its API's example writes."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

import pandas as pd

from hypertune.foreign import tables
from hypertune.foreign.naming import NAMES, bare, identity, of_name, strategy_among, unknown
from hypertune.foreign.source import Source

OWN = {
    "name", "agent", "state", "notes", "user", "tags", "created", "runtime", "sweep", "group", "id", "job type",
    "hostname", "updated", "end time", "commit", "github", "github-based", "start time", "host", "username",
}  # fmt: skip
"""Columns that W&B itself adds, in lower case."""


def is_export(columns: Iterable[str]) -> bool:
    """Whether a table's columns are those of an export."""
    names = list(columns)
    table = "Name" in names and bool({"State", "Created", "Runtime", "Sweep"} & set(names))
    return table or {"summary", "config", "name"} <= set(names) or is_chart(names)


def is_chart(columns: Iterable[str]) -> bool:
    """Whether they are a chart's: for each run ` - `, metric, and the same with __MIN and __MAX."""
    names = set(columns)
    return any(" - " in name and {f"{name}__MIN", f"{name}__MAX"} <= names for name in names)


def read(source: Source) -> pd.DataFrame:
    """A row per run; of a chart, a row per run and step."""
    exported = tables.load(source)
    if is_chart(exported.columns):
        return _chart(exported, source)
    if {"summary", "config", "name"} <= set(exported.columns):
        exported = _unpacked(exported, source)
    return _runs(exported, source)


def _runs(exported: pd.DataFrame, source: Source) -> pd.DataFrame:
    exported.index = pd.Index(
        [f"{row}, run {name!r}" for row, name in zip(exported.index, exported["Name"], strict=True)]
    )
    _check_finished(exported, source)
    metric = _metric(exported, source)
    rows = [
        _row(label, row, metric, source) for label, row in zip(exported.index, tables.records(exported), strict=True)
    ]
    frame = pd.DataFrame(rows, index=exported.index)
    told = "Group" in exported or strategy_among(exported.columns, source) is not None
    if not told and frame["strategy"].is_unique and len(frame) > 2:
        raise source.fault(
            "no two names of its runs, such as tpe-1 and tpe-2, share a prefix, and nothing else gives the strategy; "
            "export a column that does: the group, or a config entry strategy"
        )
    frame.attrs = {"metric": metric, "mode": source.mode}
    return frame


def _check_finished(exported: pd.DataFrame, source: Source) -> None:
    if "State" not in exported:
        return
    states = exported["State"].str.lower()
    if (unfinished := ~states.isin(["finished", ""])).any():
        label = exported.index[unfinished][0]
        raise source.fault(
            f"{label}, column State: is {states[label]}; export the finished runs alone, or delete the row"
        )


def _metric(exported: pd.DataFrame, source: Source) -> str:
    if source.metric is not None and source.metric in exported:
        return source.metric
    settings = {name for names in NAMES.values() for name in names} | OWN
    return source.metric_among(
        name
        for name in exported.columns
        if bare(name) not in settings
        and not name.startswith(("config.", "config/", "_"))
        and tables.is_numeric(exported[name])
    )


def _row(label: str, row: dict[str, Any], metric: str, source: Source) -> dict[str, Any]:
    own = OWN - {(source.strategy or "").casefold()}
    facts = {name: cell for name, cell in row.items() if name.casefold() not in own and name != metric}
    if (group := row.get("Group")) and source.strategy is None:
        facts.setdefault("strategy", _group(group, strategy_among(facts, source), label, source))
    known = identity(facts, row["Name"], source)
    if not {"strategy", "seed"} <= set(known):
        raise unknown(label, known, source)
    return {**known, "value": row[metric], **({"seconds": row["Runtime"]} if "Runtime" in row else {})}


def _group(group: str, column: str | None, label: str, source: Source) -> str | None:
    """The strategy of a run in a group; None where a column of that name says it."""
    if column is not None and bare(column) != "strategy":  # `optimizer` may be that of the weights
        raise source.fault(f"{label}: Group and {column} could each be the strategy; give strategy: Group or {column}")
    return None if column else group


def _unpacked(exported: pd.DataFrame, source: Source) -> pd.DataFrame:
    """The table of the example in W&B's guide to its API: a column each of names, summaries and configs, as texts."""
    try:
        rows = [
            {**_flat("config.", row["config"]), **_flat("", row["summary"]), "Name": row["name"]}
            for row in tables.records(exported)
        ]
    except (ValueError, SyntaxError, TypeError):
        raise source.fault(
            "a summary or config is not the dictionary that W&B's API gives; export the table again"
        ) from None
    frame = pd.DataFrame(rows, index=exported.index).astype(object)
    return frame.where(frame.notna(), "")


def _flat(prefix: str, text: Any) -> dict[str, Any]:
    # `_runtime` and the like are W&B's own; NaN and inf are not literals.
    content = (
        text
        if isinstance(text, dict)
        else ast.literal_eval(text.replace(": nan", ": 'nan'").replace(": inf", ": 'inf'"))
    )
    renamed = {"_runtime": "Runtime"}
    return {
        renamed.get(key, prefix + key): value for key, value in content.items() if not isinstance(value, dict | list)
    }


def _chart(exported: pd.DataFrame, source: Source) -> pd.DataFrame:
    axis, *others = exported.columns
    drawn = [tuple(name.rsplit(" - ", 1)) for name in others if " - " in name and not name.endswith(("__MIN", "__MAX"))]
    metric = source.metric_among(metric for _, metric in drawn if metric != "_step")
    point = "epoch" if bare(axis) == "epoch" else "budget"
    parts = []
    for run in (run for run, drawn_metric in drawn if drawn_metric == metric):
        strategy, seed = of_name(run)
        if run.startswith("Group: ") or strategy is None or seed is None:
            raise unknown(f"run {run!r}", {} if strategy is None else {"strategy": strategy}, source)
        curve = exported[[axis, f"{run} - {metric}"]].set_axis([point, "value"], axis=1)
        logged = curve["value"].astype(str).str.strip() != ""
        curve = curve[logged] if logged.any() else curve.head(1)  # a run that logged nothing has failed
        curve.index = pd.Index([f"{row}, run {run!r}" for row in curve.index])
        parts.append(curve.assign(strategy=strategy, seed=seed))
    frame = pd.concat(parts)
    frame.attrs = {"metric": metric, "mode": source.mode}
    return frame
