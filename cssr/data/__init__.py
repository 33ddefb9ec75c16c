"""Images and masks as arrays, and their low-resolution copies."""
