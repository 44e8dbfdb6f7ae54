"""From a function call to a span, and from the SDK to the pipeline."""
