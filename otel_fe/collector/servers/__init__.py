"""The collector's servers: OTLP over gRPC and HTTP, health, and the admin endpoint.

intake       accepts a server's requests, and counts them
endpoints    `host:port`, and which addresses need authentication
tokens, tls  authentication of senders
bodies       unpacks gzip, deflate and zstd, up to a size
statuses     `google.rpc.Status` of refusals
otlp_grpc    OTLP/gRPC, as receivers see it
grpc_server  chooses the server of OTLP/gRPC;  grpc_calls: which calls are taken, and what is answered;  grpc_limits: its bounds
http2_server OTLP/gRPC by libnghttp2 (nghttp2 loads it);  http2_loop: a thread for connections;  http2_connection: one of them
socket_stream  a socket that does not block;  tls_stream: the same in TLS
client_conduct  what a gRPC client may do too often
grpcio_server  OTLP/gRPC by grpcio;  slow_calls: cancels calls whose message does not arrive
loop         the event loop of all HTTP/1.1 servers
http_server  HTTP/1.1: the sockets;  byte_stream, http_connection: one connection;  http_messages: request and response
http_limits  deadlines;  connections, held_bytes: limits, and which client makes room at them
open_files   the limit of open files
daemon_pool  threads that no exit waits for
otlp_http    OTLP/HTTP on top of http_server;  cors
"""
