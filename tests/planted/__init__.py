"""Services with one planted cause each: the product must name it, and its line."""
