# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["dehb==0.1.2", "numpy<2"]
# ///
"""DEHB, differential evolution over the fidelities of HyperBand (Awad et al., 2021, IJCAI).

It evolves vectors in the unit cube, each part of which is the quantile of a hyperparameter. A configuration is trained
for the epochs that DEHB asks for, rounded to whole ones.
"""

from tempfile import TemporaryDirectory

from dehb import DEHB
from serve import Hello, serve

JUST_BELOW = 1 - 1e-6
"""In place of one epoch, since DEHB takes a logarithm and loses a fidelity where that is rounded down."""


class Dehb:
    def __init__(self, hello: Hello) -> None:
        self.space = hello.space
        self.folder = TemporaryDirectory(prefix="hypertune-dehb-")
        self.model = DEHB(
            dimensions=len(self.space), min_fidelity=JUST_BELOW, max_fidelity=hello.max_epochs,
            eta=hello.settings.get("reduction_factor", 3), n_workers=1, seed=hello.seed % 2**32, save_freq="end",
            output_path=self.folder.name,
        )  # fmt: skip
        self.asked: dict = {}

    def ask(self, number: int, pending: list) -> tuple:
        job = self.asked[number] = self.model.ask()
        values = {p.name: p.from_unit(float(u)) for p, u in zip(self.space, job["config"], strict=True)}
        return values, max(round(job["fidelity"]), 1)

    def tell(self, number: int, loss: float) -> None:
        self.model.tell(self.asked.pop(number), {"fitness": loss, "cost": 1.0})


serve(Dehb)
