"""Schedules: functions of the iteration, so that resuming or validating cannot shift them."""

import math

ALPHA_MAX = 0.99


def epoch_at(iteration: int, *, n_train: int, batch_size: int) -> int:
    """Count the epochs that are complete before an iteration.

    Args:
        iteration: number of optimiser steps already done, from 0.
        n_train: training images, at least 1.
        batch_size: images per step, at least 1; the last batch of an epoch may be smaller.

    Returns:
        The epoch, from 0.
    """
    return iteration // math.ceil(n_train / batch_size)


def alpha_at(
    iteration: int, *, n_train: int, batch_size: int, start: float, per_epoch: float
) -> float:
    """Weight alpha of the boundary loss at an iteration, Sec. 3.2.

    alpha = start + per_epoch * epoch, clipped to [0, 0.99]. The paper's 0.01 and 0.01 end its
    100,000 iterations of 6 out of 9,122 images at 0.66.

    Args:
        iteration: number of optimiser steps already done, from 0.
        n_train: training images, at least 1.
        batch_size: images per step, at least 1.
        start: alpha of the first epoch, in [0, 1).
        per_epoch: increase per epoch.

    Returns:
        alpha, in [0, 0.99].
    """
    epoch = epoch_at(iteration, n_train=n_train, batch_size=batch_size)
    return min(max(start + per_epoch * epoch, 0.0), ALPHA_MAX)
