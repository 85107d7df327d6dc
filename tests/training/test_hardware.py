"""The precision that `auto` chooses on each kind of device."""

from __future__ import annotations

import pytest
import torch

from hypertune.training.hardware import choose_precision

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")


@pytest.fixture(params=["native", "emulated"])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A GPU that computes in bf16, or an older one for which CUDA emulates it."""
    kind: str = request.param

    def supported(including_emulation: bool = True) -> bool:
        return kind == "native" or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    return kind


def test_many_models_are_trained_in_bf16_where_the_gpu_computes_in_it(gpu: str) -> None:
    chosen = torch.bfloat16 if gpu == "native" else torch.float32
    assert choose_precision("auto", CUDA, many=True) == chosen
    assert choose_precision("auto", CUDA) == torch.float32
    assert choose_precision("bf16", CUDA) == torch.bfloat16
    assert choose_precision("fp32", CUDA, many=True) == torch.float32


def test_other_devices_are_not_given_what_was_not_asked_for() -> None:
    for device in (CPU, MPS):
        assert choose_precision("auto", device, many=True) == torch.float32
    assert choose_precision("bf16", CPU) == torch.bfloat16
    with pytest.raises(ValueError, match="precision = 'bf16': mps lacks it here"):
        choose_precision("bf16", MPS)
