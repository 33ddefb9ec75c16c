"""Cracks of a mask in numbers."""
