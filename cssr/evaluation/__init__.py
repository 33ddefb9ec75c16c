"""Metrics, and scores of a pipeline over a set of images."""
