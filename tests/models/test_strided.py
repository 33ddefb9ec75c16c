"""Strided convolutions as matrix products give what PyTorch's convolutions give."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from cssr.models import strided
from cssr.models.dbpn import DBPN, PROJECTION
from cssr.models.strided import conv_of_blocks, cudnn_is_slow, deconv_of_blocks

DOUBLE = {"dtype": torch.float64, "requires_grad": True}


def gradients(result: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view(result.shape)
    return torch.autograd.grad((result * weights).sum(), of)


@pytest.mark.parametrize("scale", PROJECTION)
def test_a_deconvolution_and_its_gradients(scale):
    kernel, stride, padding = PROJECTION[scale]
    image, weight = torch.randn(2, 4, 5, 6, **DOUBLE), torch.randn(4, 3, kernel, kernel, **DOUBLE)
    ours = deconv_of_blocks(image, weight, stride, padding)
    theirs = F.conv_transpose2d(image, weight, stride=stride, padding=padding)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradients(ours, image, weight), gradients(theirs, image, weight))


@pytest.mark.parametrize("scale", PROJECTION)
def test_a_convolution_and_its_gradients(scale):
    kernel, stride, padding = PROJECTION[scale]
    image = torch.randn(2, 4, 5 * scale, 6 * scale, **DOUBLE)
    weight = torch.randn(3, 4, kernel, kernel, **DOUBLE)
    ours = conv_of_blocks(image, weight, stride, padding)
    theirs = F.conv2d(image, weight, stride=stride, padding=padding)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradients(ours, image, weight), gradients(theirs, image, weight))


@pytest.mark.parametrize("scale", PROJECTION)
def test_a_network_of_them(scale, monkeypatch):
    torch.manual_seed(0)
    sr, lr = DBPN(scale=scale, stages=3, features=8, width=4).double(), torch.rand(2, 3, 6, 8)
    plain = sr(lr.double())
    monkeypatch.setattr(strided, "cudnn_is_slow", lambda image: True)
    torch.testing.assert_close(sr(lr.double()), plain)


def test_they_take_the_place_on_a_gpu_in_bfloat16_alone():
    def on_gpu(dtype):
        return torch.empty(1, dtype=dtype, device="cuda")

    assert not cudnn_is_slow(torch.empty(1, dtype=torch.bfloat16))
    with FakeTensorMode():
        assert not cudnn_is_slow(on_gpu(torch.float32))
        assert cudnn_is_slow(on_gpu(torch.bfloat16))


def test_compilation_takes_them_as_one_graph(monkeypatch):
    monkeypatch.setattr(strided, "cudnn_is_slow", lambda image: True)
    torch.compiler.reset()
    sr, lr = DBPN(stages=2, features=4, width=2), torch.rand(1, 3, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        compiled = torch.compile(sr, backend="aot_eager", fullgraph=True)(lr)
        torch.testing.assert_close(compiled, sr(lr), atol=0.05, rtol=0.05)
