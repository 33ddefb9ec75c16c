"""Which images show the same scene, as their names tell."""

import re

# up to two underscores, as `cssr dataset` names what it cuts; or of which photo an image of a known
# collection is a crop; CRACK500's photos of a minute show the same pavement
_PHOTO = re.compile(
    r".+?(?=__)|(noncrack_)?CFD_\d+|CRACK500_\d+_\d{4}|DeepCrack_(IMG_)?[^-_.]+"
    r"|Rissbilder_for_Florian_[^_]+|Volker_[^_]+|noncrack_concrete_wall_\d+|.+"
)


def photo_of(name: str) -> str:
    """The photo that an image is a crop of, or the group that it belongs to."""
    return _PHOTO.match(name)[0]
