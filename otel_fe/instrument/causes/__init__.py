"""Classifies the waits of threads by cause, from samples of them."""
