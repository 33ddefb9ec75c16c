"""Masks of any format and convention: what is crack in them."""
