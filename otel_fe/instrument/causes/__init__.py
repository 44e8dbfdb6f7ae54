"""From what a look at a thread shows to the cause of its waiting."""
