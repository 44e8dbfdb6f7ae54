package main

import (
	"context"
	"math/rand"
	"strings"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	export     = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	mebibyte   = 1 << 20
	streams    = 120
	cancelled  = 800
	waiting    = 30 * time.Second
)

type answer struct {
	Code     string  `json:"code"`
	Message  string  `json:"message,omitempty"`
	Rejected int64   `json:"rejected,omitempty"`
	RetryS   float64 `json:"retry_s,omitempty"`
}

func answered(err error, response *collector.ExportTraceServiceResponse) answer {
	found := status.Convert(err)
	made := answer{Code: found.Code().String(), Message: found.Message(), Rejected: response.GetPartialSuccess().GetRejectedSpans()}
	for _, detail := range found.Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			made.RetryS = retry.RetryDelay.AsDuration().Seconds()
		}
	}
	return made
}

// bytesOnly passes messages on as they are, so that they need not be valid.
type bytesOnly struct{}

func (bytesOnly) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }

func (bytesOnly) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = append([]byte{}, data...)
	return nil
}

func (bytesOnly) Name() string { return "proto" }

type caller struct {
	connection *grpc.ClientConn
	token      string
}

func (c caller) context(timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	if c.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token)
	}
	return ctx, cancel
}

func (c caller) send(request *collector.ExportTraceServiceRequest, options ...grpc.CallOption) answer {
	ctx, cancel := c.context(waiting)
	defer cancel()
	response, err := collector.NewTraceServiceClient(c.connection).Export(ctx, request, options...)
	return answered(err, response)
}

func (c caller) stream(path string, timeout time.Duration, end bool, messages ...[]byte) answer {
	ctx, cancel := c.context(timeout)
	defer cancel()
	both := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := c.connection.NewStream(ctx, both, path, grpc.ForceCodec(bytesOnly{}))
	if err != nil {
		return answered(err, nil)
	}
	for _, message := range messages {
		if stream.SendMsg(&message) != nil {
			break // it has been answered
		}
	}
	if end {
		check(stream.CloseSend())
	}
	var response []byte
	return answered(stream.RecvMsg(&response), nil)
}

func (c caller) health() answer {
	ctx, cancel := c.context(waiting)
	defer cancel()
	_, err := grpc_health_v1.NewHealthClient(c.connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return answered(err, nil)
}

// afterwards returns the answer of a server that has recovered: gRPC's C core refuses streams for a while after many cancelled ones.
func (c caller) afterwards() answer {
	for end := time.Now().Add(waiting); ; time.Sleep(50 * time.Millisecond) {
		if found := c.send(traceOf(1, 0)); found.Code != "Unavailable" || time.Now().After(end) {
			return found
		}
	}
}

// many sends on all streams at a time, and returns the answers by their codes.
func (c caller) many() map[string]int {
	return count(streams*10, streams, func() string { return c.send(traceOf(5, 0)).Code })
}

// cancels calls at some time of each.
func (c caller) cancels() map[string]int {
	return count(cancelled, 20, func() string {
		ctx, cancel := c.context(waiting)
		time.AfterFunc(time.Duration(rand.Intn(2_000))*time.Microsecond, cancel)
		_, err := collector.NewTraceServiceClient(c.connection).Export(ctx, traceOf(20, 2_000))
		return status.Code(err).String()
	})
}

func count(calls, atOnce int, call func() string) map[string]int {
	found := map[string]int{}
	var lock sync.Mutex
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for range calls / atOnce {
				code := call()
				lock.Lock()
				found[code]++
				lock.Unlock()
			}
		})
	}
	all.Wait()
	return found
}

func makeCalls(to target) any {
	connection, err := grpc.NewClient(to.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	c := caller{connection, to.token}
	partly := traceOf(3, 0)
	partly.ResourceSpans[0].ScopeSpans[0].Spans[1].SpanId = nil
	return map[string]any{
		"export":          c.send(traceOf(3, 0)),
		"empty":           c.send(&collector.ExportTraceServiceRequest{}),
		"gzip":            c.send(traceOf(100, 1_000), grpc.UseCompressor(gzip.Name)),
		"one bad span":    c.send(partly),
		"health":          c.health(),
		"reflection":      c.stream(reflection, waiting, true, []byte("x")),
		"unknown method":  c.stream(strings.Replace(export, "Export", "Import", 1), waiting, true, nil),
		"rubbish":         c.stream(export, waiting, true, []byte{0xff, 0xff}),
		"no message":      c.stream(export, waiting, true),
		"no end":          c.stream(export, 300*time.Millisecond, false, nil),
		"3 MiB":           c.send(traceOf(1_000, 3*mebibyte)),
		"5 MiB":           c.send(traceOf(1_000, 5*mebibyte)),
		"5 MiB, gzip":     c.send(traceOf(1_000, 5*mebibyte), grpc.UseCompressor(gzip.Name)),
		"many streams":    c.many(),
		"cancelled calls": c.cancels(),
		"afterwards":      c.afterwards(),
	}
}

// traceOf makes a trace of spans that have so many bytes of attributes together.
func traceOf(spans, bytes int) *collector.ExportTraceServiceRequest {
	of := make([]*trace.Span, spans)
	for number := range of {
		of[number] = &trace.Span{
			TraceId:           randomBytes(16),
			SpanId:            randomBytes(8),
			Name:              "go call",
			Kind:              trace.Span_SPAN_KIND_INTERNAL,
			StartTimeUnixNano: uint64(time.Now().UnixNano()),
			EndTimeUnixNano:   uint64(time.Now().UnixNano()),
			Attributes: []*common.KeyValue{{Key: "bytes", Value: &common.AnyValue{
				Value: &common.AnyValue_BytesValue{BytesValue: randomBytes(bytes / spans)},
			}}},
		}
	}
	return &collector.ExportTraceServiceRequest{
		ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{Spans: of}}}},
	}
}

func randomBytes(size int) []byte {
	made := make([]byte, size)
	for index := range made {
		made[index] = byte(rand.Intn(256))
	}
	return made
}
