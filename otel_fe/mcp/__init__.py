"""`otel-fe mcp`: assistants ask a store what is slow, why, and what would help, by the Model Context Protocol."""
