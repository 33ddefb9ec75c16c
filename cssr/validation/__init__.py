"""Predictions of a pipeline for a set of images, and the scores that choose among them."""
