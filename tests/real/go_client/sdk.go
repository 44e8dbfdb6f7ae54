package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/credentials"
)

const (
	senders = 4  // at a time
	spans   = 10 // of a trace
)

type sent struct {
	Acknowledged []string `json:"acknowledged"` // trace ids
	Errors       []string `json:"errors"`
	SlowestMS    int64    `json:"slowest_ms"`

	lock sync.Mutex
}

func (s *sent) failed(err error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.Errors = append(s.Errors, err.Error())
}

func sendBySDK(to target) any {
	ctx := context.Background()
	result := &sent{Acknowledged: []string{}, Errors: []string{}}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(result.failed))
	exporter := traceExporter(ctx, to)
	end := time.Now().Add(to.duration)
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for again := true; again; again = time.Now().Before(end) {
				result.sendTrace(ctx, exporter)
				time.Sleep(time.Millisecond)
			}
		})
	}
	all.Wait()
	check(exporter.Shutdown(ctx))
	if to.grpc != "" && to.tls == nil && to.duration == 0 {
		sendMetricAndLog(ctx, to)
	}
	return result
}

func traceExporter(ctx context.Context, to target) *otlptrace.Exporter {
	var exporter *otlptrace.Exporter
	var err error
	first, most, all := 100*time.Millisecond, time.Second, time.Minute
	if to.grpc != "" {
		options := []otlptracegrpc.Option{
			otlptracegrpc.WithEndpoint(to.grpc),
			otlptracegrpc.WithCompressor("gzip"),
			otlptracegrpc.WithHeaders(to.headers()),
			otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: first, MaxInterval: most, MaxElapsedTime: all}),
			otlptracegrpc.WithTimeout(all), // restarts take long on a busy machine
			otlptracegrpc.WithInsecure(),
		}
		if to.tls != nil {
			options[len(options)-1] = otlptracegrpc.WithTLSCredentials(credentials.NewTLS(to.tls))
		}
		exporter, err = otlptracegrpc.New(ctx, options...)
	} else {
		options := []otlptracehttp.Option{
			otlptracehttp.WithEndpoint(to.http),
			otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
			otlptracehttp.WithHeaders(to.headers()),
			otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: first, MaxInterval: most, MaxElapsedTime: all}),
			otlptracehttp.WithTimeout(all),
			otlptracehttp.WithInsecure(),
		}
		if to.tls != nil {
			options[len(options)-1] = otlptracehttp.WithTLSClientConfig(to.tls)
		}
		exporter, err = otlptracehttp.New(ctx, options...)
	}
	check(err)
	return exporter
}

func (s *sent) sendTrace(ctx context.Context, exporter *otlptrace.Exporter) {
	made := tracetest.NewInMemoryExporter()
	tracer := trace.NewTracerProvider(trace.WithSyncer(made)).Tracer("go_client")
	inRoot, root := tracer.Start(ctx, "go root")
	for number := 1; number < spans; number++ {
		_, child := tracer.Start(inRoot, fmt.Sprint("go child ", number))
		child.SetAttributes(attribute.String("http.route", "/ü"))
		child.End()
	}
	root.End()
	began := time.Now()
	err := exporter.ExportSpans(ctx, made.GetSpans().Snapshots())
	took := time.Since(began).Milliseconds()
	if err != nil {
		s.failed(err)
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.SlowestMS = max(s.SlowestMS, took)
	s.Acknowledged = append(s.Acknowledged, root.SpanContext().TraceID().String())
}

func sendMetricAndLog(ctx context.Context, to target) {
	metrics, err := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpoint(to.grpc), otlpmetricgrpc.WithInsecure())
	check(err)
	meters := metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(metrics)))
	counter, err := meters.Meter("go_client").Int64Counter("go.orders")
	check(err)
	counter.Add(ctx, 3)
	check(meters.Shutdown(ctx))
	logs, err := otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(to.grpc), otlploggrpc.WithInsecure())
	check(err)
	loggers := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(logs)))
	var record otellog.Record
	record.SetBody(attribute.StringValue("go log"))
	loggers.Logger("go_client").Emit(ctx, record)
	check(loggers.Shutdown(ctx))
}
