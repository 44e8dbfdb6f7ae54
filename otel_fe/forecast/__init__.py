"""Predictions for other sizes: waits for pools, hit ratios of caches. Pure arithmetic, each formula with its source."""
