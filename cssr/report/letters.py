"""Letters of some of the seven models, as sentences name them."""

from collections.abc import Callable

from cssr.models.variants import VARIANTS, Variant
from cssr.paper import MODELS


def letters(chosen: Callable[[Variant], bool]) -> str:
    """The letters of some of the seven models, such as `(b), (d), (f)`."""
    return ", ".join(
        f"({title.letter})" for name, title in MODELS.items() if chosen(VARIANTS[name])
    )


OF_HR = letters(lambda variant: variant.takes_hr)
OF_SR = letters(lambda variant: variant.enlarges_image)
JOINT = letters(lambda variant: variant.joint)
