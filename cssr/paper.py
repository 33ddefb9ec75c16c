"""The paper's vocabulary: letters and titles of models and losses, and its published numbers.

S. Kondo and N. Ukita, "Crack Segmentation for Low-Resolution Images using Joint Learning with
Super-Resolution", MVA 2021.
"""

from typing import NamedTuple


class Title(NamedTuple):
    """What the paper calls a model or a loss."""

    letter: str
    name: str

    def __str__(self) -> str:
        return f"({self.letter}) {self.name}"


# in the order of Table 1; `cssr.models.variants` says what each of them does
MODELS = {
    "ss_hr": Title("a", "SS in HR"),
    "bicubic_ss": Title("b", "Bicubic → SS"),
    "ss_bicubic": Title("c", "SS → Bicubic"),
    "sr_ss": Title("d", "SR → SS"),
    "ss_sr": Title("e", "SS → SR"),
    "cssr": Title("f", "CSSR (SR → SS)"),
    "inverse": Title("g", "Inverse CSSR (SS → SR)"),
}
HEADLINE = "cssr"  # the model that the paper proposes
REFERENCE = "ss_hr"  # the one that sees the HR images
# in the order of Sec. 4.1, then (B) as the paper prints it; `cssr.training.losses` computes them
LOSSES = {
    "dice": Title("A", "Dice"),
    "boundary_gdice": Title("B", "Boundary + GDice"),
    "bc1": Title("C", "BC1"),
    "bc2": Title("D", "BC2"),
    "gbc1": Title("E", "GBC1"),
    "gbc2": Title("F", "GBC2"),
    "boundary_gdice_printed": Title("B′", "Boundary + GDice, as printed"),
}
CONVENTIONAL = ("dice", "boundary_gdice")  # the losses that the paper compares its own with
PROPOSED = ("bc1", "bc2", "gbc1", "gbc2")
AS_PRINTED = {"boundary_gdice_printed": "boundary_gdice"}  # and what it is printed for
# Table 1 and, for IoU_max, Sec. 4.2; PSNR in dB
PUBLISHED: dict[str, dict[str, float]] = {
    "ss_hr": {"aiu": 0.525, "iou_max": 0.587},
    "bicubic_ss": {"psnr": 27.6, "aiu": 0.243},
    "ss_bicubic": {"aiu": 0.447},
    "sr_ss": {"psnr": 29.0},
    "ss_sr": {"aiu": 0.499},
    "cssr": {"psnr": 28.5, "aiu": 0.518, "iou_max": 0.571},
    "inverse": {"aiu": 0.558},
}
ILLEGIBLE = {("sr_ss", "aiu"): "not legible"}

# of the published networks and images; no result of a stage is computed from them
VGG16_WIDTHS = (64, 128, 256, 512, 512)  # channels of the U-Net's encoder
SIDE = 448  # of HR images, px
STRIDE = 16  # of the U-Net: the sides of its inputs are multiples of it, px
