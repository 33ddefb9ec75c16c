"""From image files to arrays: the split, squares of one size, distance maps."""
