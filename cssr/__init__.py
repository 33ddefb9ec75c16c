"""Crack segmentation for low-resolution images by joint learning with super-resolution."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cssr.inspection.segmenter import Segmenter


def load(path: str, *, device: str = "auto") -> "Segmenter":
    """A trained model, to segment photos with.

    >>> import cssr
    >>> from skimage import data
    >>> model = cssr.load("runs/seed-0/cssr")                # after `make repro`; or a model.onnx
    >>> found = model.segment(data.gravel()[:96, :128])
    >>> found.probs.shape, found.mask.dtype, found.sr.shape
    ((384, 512), dtype('bool'), (384, 512, 3))

    Args:
        path: folder of a trained model, such as `runs/seed-0/cssr`; or a file of `cssr export`.
        device: `auto` (CUDA when there is one), `cpu`, `cuda` or `cuda:N`; ONNX runs on the CPU.

    Returns:
        An object with `segment(image)`; see `cssr.inspection.segmenter.Segmenter`.

    Raises:
        FileNotFoundError: if there is no such folder or file.
        ValueError: if it is not a model that segments, or the device is not there.
    """
    from cssr.inspection import segmenter  # PyTorch takes seconds to import; `import cssr` does not

    return segmenter.load(path, device=device)
