"""What would be at another size: waits for pools, hit ratios of caches. Pure arithmetic, each formula with its source."""
