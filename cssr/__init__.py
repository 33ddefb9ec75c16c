"""Crack segmentation from low-resolution images by joint learning with super-resolution."""
