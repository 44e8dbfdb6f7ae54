"""A feature service as one finds them: Redis in front, SQL behind a pool, scikit-learn in between. It knows nothing of otel_fe."""
