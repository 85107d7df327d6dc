"""The convolution with pooling: that its kernels compute what torch's own operations do, and when they are used."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import pytest
import torch
from hypertune.training.pooled import PooledConvolution
from torch import Tensor, nn
from torch.nn import functional as F

from hypertune.training.kernels import calls as kernels
from hypertune.training.kernels import pooled

# images, channels, filters, height, width, padding: few and many channels, more filters than one and two vectors hold,
# odd sizes, the smallest images
SHAPES = [
    (5, 1, 14, 28, 28, 1),
    (3, 14, 14, 14, 14, 0),
    (2, 3, 8, 9, 7, 1),
    (2, 3, 17, 8, 8, 0),
    (1, 4, 33, 6, 11, 1),
    (4, 5, 2, 5, 5, 0),
    (2, 20, 40, 4, 4, 0),
    (7, 16, 16, 2, 2, 1),
    (1, 1, 1, 2, 3, 1),
]


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def by_torch(layer: PooledConvolution, x: Tensor) -> Tensor:
    out = F.max_pool2d(F.conv2d(x, layer.weight, layer.bias, padding=layer.padding), 2)
    return out.relu() if layer.rectify else out


def gradients(layer: PooledConvolution, x: Tensor, out: Tensor, seed: int = 1) -> list[Tensor]:
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed))
    inputs = [*layer.parameters(), *([x] if x.requires_grad else [])]
    return list(torch.autograd.grad((out * weights).sum(), inputs))


def make(shape: tuple[int, ...], *, rectify: bool, of_images: bool = True) -> tuple[PooledConvolution, Tensor]:
    torch.manual_seed(sum(shape))
    images, channels, filters, height, width, padding = shape
    layer = PooledConvolution(channels, filters, padding=padding, rectify=rectify)
    layer = layer.to(memory_format=torch.channels_last)
    return layer, torch.randn(images, channels, height, width, requires_grad=of_images)


def test_the_kernels_were_compiled_with_the_package() -> None:
    assert kernels.LIBRARY.is_file()


@pytest.mark.parametrize("of_images", [True, False])
@pytest.mark.parametrize("rectify", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("threads")
def test_values_and_gradients_are_those_of_torch(shape: tuple[int, ...], rectify: bool, of_images: bool) -> None:
    layer, x = make(shape, rectify=rectify, of_images=of_images)
    ours, theirs = layer(x), by_torch(layer, x)
    assert ours.grad_fn.name() == "_PooledBackward"
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradients(layer, x, ours), gradients(layer, x, theirs), rtol=1e-4, atol=1e-4)


def test_numerically_the_gradient_is_that_of_the_values() -> None:
    layer, x = make((2, 2, 3, 6, 6, 1), rectify=True)
    direction, step = torch.randn(x.shape), 1e-3
    along = (layer(x + step * direction) - layer(x - step * direction)).double().sum() / (2 * step)
    (gradient,) = torch.autograd.grad(layer(x).sum(), x)
    assert float((gradient * direction).sum()) == pytest.approx(float(along), rel=0.02)


def test_of_equal_values_the_first_has_the_gradient_as_in_torch() -> None:
    layer, _ = make((2, 3, 9, 8, 8, 1), rectify=False)
    x = torch.zeros(2, 3, 8, 8, requires_grad=True)
    assert torch.equal(gradients(layer, x, layer(x))[2].sign(), gradients(layer, x, by_torch(layer, x))[2].sign())


def test_a_value_rectified_to_zero_has_no_gradient() -> None:
    layer, x = make((2, 1, 4, 8, 8, 1), rectify=True)
    layer.load_state_dict({"weight": torch.zeros(4, 1, 3, 3), "bias": torch.tensor([0.0, -1.0, 1.0, -0.0])})
    out = layer(x)
    assert out[:, 2].eq(1).all()
    assert out[:, [0, 1, 3]].eq(0).all()
    assert gradients(layer, x, out)[1].ne(0).tolist() == [False, False, True, False]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("channels", [1, 6])
def test_what_is_not_finite_stays_so(channels: int, value: float) -> None:
    layer, x = make((2, channels, 9, 8, 8, 1), rectify=True)
    layer.load_state_dict({"weight": layer.weight, "bias": torch.full((9,), value)})
    torch.testing.assert_close(layer(x), by_torch(layer, x), equal_nan=True)
    assert layer(x).isnan().all() == math.isnan(value)


@pytest.mark.parametrize("offset", range(4))
def test_one_pixel_that_is_no_number_reaches_what_it_reaches_in_torch(offset: int) -> None:
    layer, _ = make((1, 3, 9, 8, 8, 1), rectify=True)
    x = torch.randn(1, 3, 8, 8)
    x[0, 1, 4 + offset // 2, 4 + offset % 2] = math.nan
    ours, theirs = layer(x), by_torch(layer, x)
    torch.testing.assert_close(ours, theirs, equal_nan=True)
    torch.testing.assert_close(gradients(layer, x, ours)[1], gradients(layer, x, theirs)[1], equal_nan=True)


def test_the_same_numbers_every_time() -> None:
    layer, x = make(SHAPES[1], rectify=True)
    first = gradients(layer, x, layer(x))
    assert all(torch.equal(a, b) for a, b in zip(first, gradients(layer, x, layer(x)), strict=True))


def test_no_images() -> None:
    layer, _ = make(SHAPES[0], rectify=True)
    assert layer(torch.empty(0, 1, 28, 28)).shape == (0, 14, 14, 14)


def test_the_layout_of_the_images_does_not_matter() -> None:
    layer, x = make(SHAPES[1], rectify=True)
    last = x.detach().to(memory_format=torch.channels_last)
    slices = torch.stack([x.detach(), x.detach()], dim=-1)[..., 0]
    assert torch.equal(layer(x), layer(last))
    assert torch.equal(layer(x), layer(slices))


@pytest.mark.parametrize(
    ("shape", "error"), [((2, 4, 28, 28), "channels"), ((2, 1, 1, 1), "size"), ((1, 28), "3D|4D|dim")]
)
def test_wrong_images_are_refused_and_not_read(shape: tuple[int, ...], error: str) -> None:
    with pytest.raises(RuntimeError, match=error):
        PooledConvolution(1, 5, padding=1, rectify=True)(torch.zeros(shape))


def test_other_numbers_are_left_to_torch() -> None:
    layer, x = make(SHAPES[1], rectify=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    double = layer.double()
    torch.testing.assert_close(double(x.double()), by_torch(double, x.double()))


def test_a_bias_that_is_a_view_with_gaps() -> None:
    layer, x = make(SHAPES[0], rectify=False)
    bias = torch.randn(14, 2)[:, 0]
    ours = torch.func.functional_call(layer, {"weight": layer.weight, "bias": bias}, x)
    torch.testing.assert_close(ours, F.max_pool2d(F.conv2d(x, layer.weight, bias, padding=1), 2))


def test_tensors_that_only_pretend_are_left_to_torch() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        out = PooledConvolution(1, 5, padding=1, rectify=True)(torch.empty(2, 1, 8, 8))
    assert out.shape == (2, 5, 4, 4)


def test_without_kernels_torch_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = make(SHAPES[0], rectify=True)
    ours = layer(x)
    monkeypatch.setattr(pooled, "available", lambda: False)
    torch.testing.assert_close(layer(x), ours)
    assert layer(x).grad_fn.name() != ours.grad_fn.name()


@pytest.mark.parametrize("content", [None, b"of another machine"])
def test_missing_kernels_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None) -> None:
    library = tmp_path / "libkernels.so"
    if content is not None:
        library.write_bytes(content)
    monkeypatch.setattr(kernels, "LIBRARY", library)
    monkeypatch.setattr(kernels, "_library", kernels._library.__wrapped__)
    with pytest.warns(UserWarning, match=r"so CNNs train at less than half the speed: .*libkernels\.so"):
        assert not kernels.available.__wrapped__()


def test_kernels_of_another_version_are_not_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    newer = tmp_path / "kernels.c"
    newer.write_bytes(kernels.SOURCE.read_bytes() + b"\n")
    monkeypatch.setattr(kernels, "SOURCE", newer)
    monkeypatch.setattr(kernels, "_library", kernels._library.__wrapped__)
    with pytest.warns(UserWarning, match=r"libkernels\.so was compiled from another version"):
        assert not kernels.available.__wrapped__()


def test_an_exported_model_has_torchs_own_operations() -> None:
    model = nn.Sequential(*[make((1, 1, 4, 8, 8, 1), rectify=True)[0]]).eval()
    images = torch.randn(3, 1, 8, 8)
    program = torch.export.export(model, (images,))
    assert "max_pool2d" in str(program.graph)
    torch.testing.assert_close(program.module()(images), model(images))
    traced = torch.jit.trace(model, images)
    assert "max_pool2d" in str(traced.inlined_graph)


def test_no_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def convolve_and_pool(self, *_: object) -> int:
            return 0

    monkeypatch.setattr(kernels, "_library", Full)
    layer, x = make(SHAPES[0], rectify=True)
    with pytest.raises(MemoryError, match="not enough memory to convolve"):
        layer(x)


def test_a_switch_does_without_them_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERTUNE_KERNELS", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not kernels.available.__wrapped__()
