"""Looking at the stacks of extractions that have become slow, from one thread that sleeps while none is."""
