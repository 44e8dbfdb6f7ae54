"""Values only: figures, histograms, decisions, probabilities."""
