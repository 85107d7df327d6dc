"""Random numbers of a trial, whichever trial of its process it is."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import random, sys
from hypertune.tuning.seeding import seed_trial

def draw():
    import numpy, torch
    return float(torch.rand(1)), numpy.random.rand(), random.random()

seed_trial(7)
{later}
first = draw()
seed_trial(8)
other = draw()
seed_trial(7)
assert draw() == first, (draw(), first)
assert all(a != b for a, b in zip(first, other))
print(*first)
"""


def test_the_first_trial_draws_the_same_as_later_ones_whatever_it_imports() -> None:
    """In one process numpy and torch are there already, in the other the trial imports them."""
    drawn = []
    for first, later in (("import numpy, torch", ""), ("", "assert not {'numpy', 'torch'} & set(sys.modules)")):
        script = f"{first}\n{SCRIPT.format(later=later)}"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        drawn.append(done.stdout)
    assert drawn[0] == drawn[1]
