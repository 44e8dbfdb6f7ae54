"""otel_fe in the frameworks that run an application's code in their own way: servers, task queues, process pools, greenlets."""
