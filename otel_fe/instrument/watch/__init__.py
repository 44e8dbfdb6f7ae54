"""Samples the stacks of slow extractions, from one thread that sleeps while none is slow."""
