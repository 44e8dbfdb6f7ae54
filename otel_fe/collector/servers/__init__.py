"""Who listens: OTLP over gRPC and HTTP, health, and the admin endpoint.

intake       what a server hands a request to, and its counts
endpoints    `host:port`, and what may listen where
tokens, tls  who may send
bodies       unpacks gzip, deflate and zstd, up to a size
statuses     `google.rpc.Status` of refusals
grpc_server  OTLP/gRPC;  slow_calls: cuts off calls whose message does not come
loop         where HTTP runs
http_server  HTTP/1.1: the sockets;  byte_stream, http_connection: one connection;  http_messages: request and response
http_limits  deadlines;  connections, held_bytes: who makes room where there is none
open_files   how many connections there may be at all
daemon_pool  threads that no exit waits for
otlp_http    OTLP/HTTP on top of it;  cors
"""
