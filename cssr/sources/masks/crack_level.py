"""What a mask file means."""

CRACK = 128  # least value of a crack pixel, of 255
MOSTLY_CRACK = 0.5  # share of a mask from which it may be inverted, or none
