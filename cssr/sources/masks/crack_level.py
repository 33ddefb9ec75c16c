"""What a mask file means."""

CRACK = 128  # least value of a crack pixel, of 255
