"""Images and masks as arrays: split, low-resolution copies, distance maps."""
