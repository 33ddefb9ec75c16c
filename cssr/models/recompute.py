"""Blocks whose activations can be computed twice instead of kept."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def run_block(block: nn.Module, maps: Sequence[Tensor], *, recompute: bool) -> Tensor:
    """Apply a block to concatenated maps.

    Args:
        block: takes (B, C, H, W).
        maps: (B, C1, H, W), (B, C2, H, W), …, of C channels together.
        recompute: keep only the maps for the backward pass, and compute what is in the block and
            the concatenation again there (Chen et al., 2016).
    """

    def run(*maps: Tensor) -> Tensor:
        return block(torch.cat(maps, dim=1) if len(maps) > 1 else maps[0])

    if recompute and torch.is_grad_enabled():
        return checkpoint(run, *maps, use_reentrant=False, preserve_rng_state=False)
    return run(*maps)
