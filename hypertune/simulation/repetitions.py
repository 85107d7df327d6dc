"""Whether curves repeat the cells of a design as often as a simulation of it would say."""

from __future__ import annotations

from hypertune.simulation.lookup import Nearest
from hypertune.simulation.recordings import Recordings
from hypertune.space.values import flatten
from hypertune.study.study import FEWEST_TO_DECIDE, Study


def check_repetitions(recordings: Recordings, study: Study) -> None:
    """Checks that every seed of a design has a recorded run of its own in every cell.

    The seeds of a design differ by their training runs alone: where two of them replay the same one, intervals and
    p-values would rest on repetitions that never were. Strategies differ from seed to seed in what they try.

    Raises:
        ValueError: naming a cell with too few recorded runs.
    """
    if study.design is None:
        return
    source, cells = Nearest(recordings, study), study.design.cells(study.space)
    fewest, least = min((len(source.repeats(cells.config(i))), i) for i in range(cells.size))
    if fewest >= len(study.seeds):
        return
    told = ", ".join(f"{name} = {value}" for name, value in flatten(cells.config(least)).items())
    cell = f"--curves {recordings.source}: the cell {told}"
    if not fewest:
        raise ValueError(f"{cell} has not been recorded in full; record it, or leave it out of [space]")
    flag = "--max-seeds" if study.until_decided and fewest >= FEWEST_TO_DECIDE else "--seeds"
    raise ValueError(
        f"{cell} has {fewest} recorded run{'s' * (fewest > 1)}, too few for {len(study.seeds)} seeds, since a run that "
        f"is counted twice decides nothing; give {flag} {fewest}, or curves with more seeds"
    )
