"""Who listens: OTLP over gRPC and HTTP, health, and the collector's own page.

intake       what a server hands a request to, and its counts
endpoints    `host:port`, and what may listen where
tokens, tls  who may send
bodies       unpacks gzip, deflate and zstd, up to a size
statuses     `google.rpc.Status`, for whoever is refused
grpc_server  OTLP/gRPC
loop         where HTTP runs
http_server  HTTP/1.1: the sockets;  http_connection: one connection;  http_messages: request and response
otlp_http    OTLP/HTTP on top of it;  cors
"""
