"""The seven models of Table 1, and super-resolution alone: one record each.

Whatever tells them apart follows from these records: how a pipeline is put together, which of its
networks are trained on what, its receptive field, and what the figures show of it.
"""

from dataclasses import dataclass
from itertools import takewhile


@dataclass(frozen=True)
class Variant:
    """What a model does with an image, and what of it is trained.

    Attributes:
        steps: in their order: `sr` and `bicubic` enlarge, `ss` segments.
        trained: the networks that are trained; others are taken from trained models and frozen.
        takes_hr: whether it is given the HR image; else the LR one.
    """

    steps: tuple[str, ...]
    trained: tuple[str, ...]
    takes_hr: bool = False

    @property
    def segments(self) -> bool:
        """Whether it gives crack probabilities."""
        return "ss" in self.steps

    @property
    def joint(self) -> bool:
        """Whether both networks are trained, by Eq. 6."""
        return len(self.trained) == 2

    @property
    def steps_before_ss(self) -> tuple[str, ...]:
        """Those that make of an image what SS sees; all where nothing is segmented."""
        return tuple(takewhile(lambda step: step != "ss", self.steps))

    @property
    def steps_from_ss(self) -> tuple[str, ...]:
        """SS and what follows it."""
        return self.steps[len(self.steps_before_ss) :]

    @property
    def enlarges_image(self) -> bool:
        """Whether it enlarges the image, by SR or bicubically, and so gives an SR image too."""
        return bool(self.steps_before_ss)

    @property
    def enlarges_probs(self) -> bool:
        """Whether it segments at low resolution and enlarges the probabilities."""
        return len(self.steps_from_ss) > 1

    @property
    def sr_channels(self) -> int:
        """Channels of its SR network: 3 of an image, 1 of probabilities."""
        return 3 if self.enlarges_image else 1


VARIANTS = {
    "sr": Variant(("sr",), trained=("sr",)),
    "ss_hr": Variant(("ss",), trained=("ss",), takes_hr=True),
    "bicubic_ss": Variant(("bicubic", "ss"), trained=("ss",)),
    "ss_bicubic": Variant(("ss", "bicubic"), trained=("ss",)),
    "sr_ss": Variant(("sr", "ss"), trained=("ss",)),
    "ss_sr": Variant(("ss", "sr"), trained=("sr",)),
    "cssr": Variant(("sr", "ss"), trained=("sr", "ss")),
    "inverse": Variant(("ss", "sr"), trained=("sr", "ss")),
}
