// Sends OTLP as Go programs do: by OpenTelemetry's exporters, and by grpc-go itself.
//
//	go_client sdk -grpc HOST:PORT [-http HOST:PORT] [-ca FILE] [-token TEXT] [-seconds N]
//	go_client calls -grpc HOST:PORT
//
// Each prints one JSON value.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

type target struct {
	grpc, http, token string
	tls               *tls.Config // nil for plain connections
	duration          time.Duration
}

func (t target) headers() map[string]string {
	if t.token == "" {
		return map[string]string{"x-tenant": "shop"}
	}
	return map[string]string{"x-tenant": "shop", "authorization": "Bearer " + t.token}
}

func main() {
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	var to target
	flags.StringVar(&to.grpc, "grpc", "", "address of OTLP/gRPC")
	flags.StringVar(&to.http, "http", "", "address of OTLP/HTTP")
	flags.StringVar(&to.token, "token", "", "bearer token")
	authority := flags.String("ca", "", "file of the authority that signed the server's certificate")
	seconds := flags.Float64("seconds", 0, "how long to send traces")
	check(flags.Parse(os.Args[2:]))
	to.duration = time.Duration(*seconds * float64(time.Second))
	if *authority != "" {
		pem, err := os.ReadFile(*authority)
		check(err)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		to.tls = &tls.Config{RootCAs: pool, ServerName: "localhost"}
	}
	actions := map[string]func(target) any{"sdk": sendBySDK, "calls": makeCalls}
	check(json.NewEncoder(os.Stdout).Encode(actions[os.Args[1]](to)))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
