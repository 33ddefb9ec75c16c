"""Strided convolutions as matrix products, for a GPU in bfloat16.

There cuDNN (9.19, on an H200) computes DBPN's deconvolutions of kernel 8 and stride 4, and the
gradient of such a convolution, at a hundredth of the speed of a matrix product. The same numbers
come from blocks of stride × stride pixels: each is the product of a matrix and the few
low-resolution pixels that it depends on (cf. Shi et al., 2016, "Is the deconvolution layer the same
as a convolutional layer?"). On the CPU and in float32 the plain convolutions are as fast or faster.
Strides 2 and 8 were not measured.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StridedConv2d(nn.Conv2d):
    """A convolution of kernel k and stride s whose padding makes the sides s times smaller."""

    def forward(self, image: Tensor) -> Tensor:
        """Reduce (B, C, s·h, s·w) to (B, O, h, w), s being the stride."""
        if not cudnn_is_slow(image):
            return super().forward(image)
        reduced = conv_of_blocks(image, self.weight, self.stride[0], self.padding[0])
        return reduced + self.bias[:, None, None].to(reduced.dtype)


class StridedConvTranspose2d(nn.ConvTranspose2d):
    """A deconvolution of kernel k and stride s whose padding makes the sides s times larger."""

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge (B, C, h, w) to (B, O, s·h, s·w), s being the stride."""
        if not cudnn_is_slow(image):
            return super().forward(image)
        enlarged = deconv_of_blocks(image, self.weight, self.stride[0], self.padding[0])
        return enlarged + self.bias[:, None, None].to(enlarged.dtype)


def cudnn_is_slow(image: Tensor) -> bool:
    """Whether a matrix product takes the place of a convolution: in bfloat16 on a GPU."""
    if not image.is_cuda:
        return False
    if torch.is_autocast_enabled("cuda"):
        return torch.get_autocast_dtype("cuda") == torch.bfloat16
    return image.dtype == torch.bfloat16


def deconv_of_blocks(image: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """`F.conv_transpose2d` without bias, of (B, C, h, w) to (B, O, s·h, s·w).

    Args:
        image: (B, C, h, w), best in channels_last.
        weight: (C, O, k, k).
        stride: s.
        padding: cut off at the top and on the left; below and on the right as much as is over.
    """
    height, width = image.shape[-2:]
    taps = _taps(weight, stride).flip(2, 4)  # (C, O, t, s, t, s)
    t = taps.shape[2]
    around = F.pad(image, [t - 1] * 4)
    rows, columns = height + t - 1, width + t - 1
    seen = [around[..., y : y + rows, x : x + columns] for y in range(t) for x in range(t)]
    matrix = taps.permute(3, 5, 1, 2, 4, 0).flatten(0, 2).flatten(1)  # (s·s·O, t·t·C)
    blocks = F.linear(torch.cat(seen, dim=1).movedim(1, -1), matrix)
    blocks = blocks.unflatten(-1, (stride, stride, -1)).transpose(2, 3)  # (B, rows, s, columns, …)
    whole = blocks.flatten(3, 4).flatten(1, 2)  # (B, s·rows, s·columns, O)
    inside = slice(padding, padding + stride * height), slice(padding, padding + stride * width)
    return whole[:, *inside].movedim(-1, 1)


def conv_of_blocks(image: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """`F.conv2d` without bias, of (B, C, s·h, s·w) to (B, O, h, w).

    Args:
        image: (B, C, s·h, s·w), best in channels_last.
        weight: (O, C, k, k).
        stride: s.
        padding: zeros at the top and on the left; below and on the right as many as are needed.
    """
    height, width = image.shape[-2] // stride, image.shape[-1] // stride
    taps = _taps(weight, stride)  # (O, C, t, s, t, s)
    t = taps.shape[2]
    over = (t - 1) * stride - padding
    around = F.pad(image, (padding, over, padding, over)).movedim(1, -1)
    blocks = around.unflatten(2, (-1, stride)).unflatten(1, (-1, stride)).transpose(2, 3)
    matrix = taps.permute(2, 4, 0, 3, 5, 1).flatten(0, 2).flatten(1)  # (t·t·O, s·s·C)
    parts = F.linear(blocks.flatten(3), matrix).unflatten(-1, (t, t, -1))
    places = [(y, x) for y in range(t) for x in range(t)]
    reduced = sum(parts[:, y : y + height, x : x + width, y, x] for y, x in places)
    return reduced.movedim(-1, 1)


def _taps(weight: Tensor, stride: int) -> Tensor:
    """A square kernel in blocks of the stride, filled up with zeros, (…, t, s, t, s)."""
    over = -weight.shape[-1] % stride
    return F.pad(weight, (0, over, 0, over)).unflatten(-1, (-1, stride)).unflatten(-3, (-1, stride))
