"""Plots and words about a run."""
