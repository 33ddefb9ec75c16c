"""Dense deep back-projection network (DBPN; Haris et al., CVPR 2018), the paper's SR network."""

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from cssr.models.recompute import run_block
from cssr.models.strided import StridedConv2d, StridedConvTranspose2d

# kernel, stride and padding of the projection convolutions at each scale
PROJECTION = {2: (6, 2, 2), 4: (8, 4, 2), 8: (12, 8, 2)}


class ConvPReLU(nn.Sequential):
    """A convolution (or deconvolution) with bias, then PReLU with one shared parameter."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__(conv, nn.PReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) of (B, inputs, …).

        Note:
            On a GPU PReLU sees (B, H, W, C), as channels_last lies in memory: compiled, the
            gradient of its parameter is added up in the order of the dimensions.
        """
        conv, prelu = self
        maps = conv(x)
        if maps.is_cuda:
            return F.prelu(maps.movedim(1, -1), prelu.weight).movedim(-1, 1)
        return prelu(maps)


class Projection(nn.Module):
    """Up- or down-projection block with error feedback.

    Args:
        inputs: concatenated maps at the input; more than one are reduced by a 1×1 convolution.
        width: channels of every map.
        scale: ratio of high to low resolution.
        up: project from low to high resolution, else from high to low.
    """

    def __init__(self, inputs: int, width: int, *, scale: int, up: bool) -> None:
        super().__init__()
        there = StridedConvTranspose2d if up else StridedConv2d
        back = StridedConv2d if up else StridedConvTranspose2d
        shape = PROJECTION[scale]
        reduces = inputs > 1
        self.reduce = ConvPReLU(nn.Conv2d(inputs * width, width, 1)) if reduces else nn.Identity()
        self.project = ConvPReLU(there(width, width, *shape))
        self.back_project = ConvPReLU(back(width, width, *shape))
        self.correct = ConvPReLU(there(width, width, *shape))

    def forward(self, x: Tensor) -> Tensor:
        """Project (B, inputs·width, H, W) to (B, width, …) at the other resolution."""
        x = self.reduce(x)
        projected = self.project(x)
        return projected + self.correct(self.back_project(projected) - x)


class DBPN(nn.Module):
    """Super-resolution of an image or a probability map.

    Args:
        channels: of the image, 3 for RGB and 1 for probabilities.
        scale: 2, 4 or 8.
        stages: up-projections; there is one down-projection between each two.
        features: channels of the first convolution.
        width: channels of the projection blocks.

    Raises:
        ValueError: if there is no projection for `scale`.
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        scale: int = 4,
        stages: int = 6,
        features: int = 256,
        width: int = 64,
    ) -> None:
        super().__init__()
        if scale not in PROJECTION:
            raise ValueError(f"scale {scale} is not one of {', '.join(map(str, PROJECTION))}")
        self.config = {
            "channels": channels,
            "scale": scale,
            "stages": stages,
            "features": features,
            "width": width,
        }
        self.features = nn.Sequential(
            ConvPReLU(nn.Conv2d(channels, features, 3, padding=1)),
            ConvPReLU(nn.Conv2d(features, width, 1)),
        )
        self.ups = nn.ModuleList(
            Projection(max(1, k), width, scale=scale, up=True) for k in range(stages)
        )
        self.downs = nn.ModuleList(
            Projection(k + 1, width, scale=scale, up=False) for k in range(stages - 1)
        )
        self.reconstruct = nn.Conv2d(stages * width, channels, 3, padding=1)
        self.recompute = False  # activations, in the backward pass: less memory, more time

    def forward(self, lr: Tensor) -> Tensor:
        """Super-resolve (B, C, h, w) to (B, C, scale·h, scale·w); the result is not clipped."""
        run = partial(run_block, recompute=self.recompute)
        low: list[Tensor] = []
        high = [run(self.ups[0], [run(self.features, [lr])])]
        for up, down in zip(self.ups[1:], self.downs, strict=True):
            low.insert(0, run(down, high))  # newest first: the published channel order
            high.insert(0, run(up, low))
        return run(self.reconstruct, high)
