"""The live view: what extractions do at the moment, in sliding windows, in memory and bounded."""
