"""DBPN in blocks, for inference on a CPU: the same numbers in half of the time.

A high-resolution map is held at low resolution, as blocks of stride × stride pixels with all of a
block's pixels as channels (cf. Shi et al., 2016, "Is the deconvolution layer the same as a
convolutional layer?"). All convolutions then are small ones of many channels, which a CPU computes
faster than deconvolutions of few, and maps need not be rearranged but once, in the end.

The grid of blocks begins `padding` pixels above and to the left of the image, so that a
deconvolution fills whole blocks and a convolution reads whole blocks.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cssr.models.dbpn import DBPN, PROJECTION, Projection

Step = Callable[[Tensor], Tensor]


class BlockDBPN(nn.Module):
    """A trained DBPN, for inference. Its maps are channels_last.

    Args:
        network: whose weights are taken, as they are; on the CPU, float32.
    """

    @torch.inference_mode()
    def __init__(self, network: DBPN) -> None:
        super().__init__()
        self.config = network.config
        self.grid = Grid(*PROJECTION[network.config["scale"]])
        self.channels = network.config["channels"]
        self.features = [_plain(layer) for layer in network.features]
        self.ups = [self._projection(block, up=True) for block in network.ups]
        self.downs = [self._projection(block, up=False) for block in network.downs]
        conv = network.reconstruct
        kernels = conv.weight.split(network.config["width"], dim=1)  # one for each of the maps
        self.reconstruct = [self.grid.same(kernel) for kernel in kernels]
        self.bias = conv.bias.repeat(self.grid.stride)

    def forward(self, lr: Tensor) -> Tensor:
        """Super-resolve (B, C, h, w) to (B, C, scale·h, scale·w), as the network itself."""
        x = lr
        for step in self.features:
            x = step(x)
        low: list[Tensor] = []
        high = [self.ups[0]([x])]
        for up, down in zip(self.ups[1:], self.downs, strict=True):
            low.insert(0, down(high))
            high.insert(0, up(low))
        rows = sum(step(maps) for maps, step in zip(high, self.reconstruct, strict=True))
        rows += self.bias[:, None, None]
        pixels = rows.movedim(1, -1).unflatten(-1, (-1, self.channels))  # (B, H, w, s, C)
        return pixels.flatten(2, 3).movedim(-1, 1)

    def _projection(self, block: Projection, *, up: bool) -> Callable[[list[Tensor]], Tensor]:
        """Of `Projection.forward`, on maps that are not concatenated yet."""
        grid = self.grid
        there, back = (grid.up, grid.down) if up else (grid.down, grid.up)
        project, back_project = there(block.project), back(block.back_project)
        correct = there(block.correct)
        width = block.project[0].out_channels
        reduces = isinstance(block.reduce, nn.Sequential)
        reduce = _reduction(block.reduce, 1 if up else grid.stride**2) if reduces else None

        def run(maps: list[Tensor]) -> Tensor:
            x = reduce(maps) if reduce else maps[0]
            if reduce and not up:
                grid.clear(x, width)
            projected = project(x)
            return correct(back_project(projected).sub_(x)).add_(projected)

        return run


class Grid:
    """Convolutions between low-resolution maps and blocks of a high-resolution one.

    Args:
        kernel: side of the projection's kernels.
        stride: side of a block; high / low resolution.
        padding: pixels of the grid before the image.

    Attributes:
        taps: blocks along a side that a kernel touches.
    """

    def __init__(self, kernel: int, stride: int, padding: int) -> None:
        self.stride = stride
        self.padding = padding
        self.taps = -(-kernel // stride)
        places = torch.arange(kernel)[:, None, None]
        within, tap = torch.arange(stride)[:, None], torch.arange(self.taps)
        self.forward = (places == stride * tap + within).float()  # (kernel, pixel, tap)
        self.backward = self.forward.flip(2)
        target = torch.arange(stride)[:, None, None] + torch.arange(3)[:, None, None, None]
        self.around = (target + padding - 1 == stride * tap + within).float()

    def up(self, layer: nn.Sequential) -> Step:
        """A deconvolution of (B, C, h, w) to blocks, with its PReLU."""
        deconv, prelu = layer
        place = self.backward
        weight = torch.einsum("cokl,kqt,lru->qroctu", deconv.weight, place, place).flatten(0, 2)
        bias = deconv.bias.repeat(self.stride**2)
        conv = _activated(weight, bias, prelu, padding=self.taps - 1)
        return lambda x: self.clear(conv(x), deconv.out_channels)

    def down(self, layer: nn.Sequential) -> Step:
        """A convolution of blocks to (B, O, h, w), with its PReLU."""
        conv, prelu = layer
        place = self.forward
        weight = torch.einsum("ockl,kqt,lru->oqrctu", conv.weight, place, place).flatten(1, 3)
        return _activated(weight, conv.bias, prelu)

    def same(self, kernel: Tensor) -> Step:
        """A convolution of blocks by (O, C, 3, 3) to rows of the image, (B, stride·O, H, w).

        In a row, a block's pixels are channels. Whole blocks would be multiplied by more zeros.
        """
        place = self.around  # (3, target, pixel, tap)
        weight = torch.einsum("ocde,eRru->Rorcdu", kernel, place).flatten(2, 3).flatten(0, 1)
        weight = weight.contiguous(memory_format=torch.channels_last)
        first = self.padding - 1
        last = self.stride * (self.taps - 1) - self.padding - 1  # rows of the grid after these

        def run(blocks: Tensor) -> Tensor:
            pixels = self.split(blocks, kernel.shape[1]).transpose(2, 3)  # (B, h, s, w, s, C)
            rows = pixels.flatten(4, 5).flatten(1, 2)
            return F.conv2d(rows[:, first : len(rows[0]) - last].movedim(-1, 1), weight)

        return run

    def split(self, blocks: Tensor, channels: int) -> Tensor:
        """Blocks (B, s²·C, h, w) as a view (B, h, w, s, s, C)."""
        sides = self.stride, self.stride, channels
        return blocks.movedim(1, -1).unflatten(-1, sides)

    def clear(self, blocks: Tensor, channels: int) -> Tensor:
        """Set pixels beyond the image to zero, as convolutions pad it."""
        pixels = self.split(blocks, channels)
        s = self.stride
        before = self.padding
        after = s * (self.taps - 1) - before
        for k in range(before):
            pixels[:, k // s, :, k % s] = 0
            pixels[:, :, k // s, :, k % s] = 0
        for k in range(1, after + 1):
            pixels[:, -(-k // s) * -1, :, -k % s] = 0
            pixels[:, :, -(-k // s) * -1, :, -k % s] = 0
        return blocks


def _plain(layer: nn.Sequential) -> Step:
    """A convolution that changes no side, with its PReLU."""
    conv, prelu = layer
    return _activated(conv.weight, conv.bias, prelu, padding=conv.padding[0])


def _reduction(layer: nn.Sequential, pixels: int) -> Callable[[list[Tensor]], Tensor]:
    """A 1×1 convolution of maps that stand side by side, with its PReLU; `pixels` of a block."""
    conv, prelu = layer
    width = conv.out_channels
    slope = prelu.weight.item()
    kernels = conv.weight[:, :, 0, 0].split(width, dim=1)

    def run(maps: list[Tensor]) -> Tensor:
        seen = (m.movedim(1, -1).unflatten(-1, (pixels, width)) for m in maps)
        reduced = sum(F.linear(m, kernel) for m, kernel in zip(seen, kernels, strict=True))
        reduced += conv.bias
        return F.leaky_relu_(reduced, slope).flatten(-2).movedim(-1, 1)

    return run


def _activated(weight: Tensor, bias: Tensor, prelu: nn.PReLU, padding: int = 0) -> Step:
    """A convolution, then a PReLU of one parameter."""
    weight = weight.contiguous(memory_format=torch.channels_last)
    slope = prelu.weight.item()
    return lambda x: F.leaky_relu_(F.conv2d(x, weight, bias, padding=padding), slope)
