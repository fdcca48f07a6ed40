// Package grpchealth asks services of gRPC for their health
// (grpc.health.v1.Health/Check). The one message either way is a string and an
// enum, so it needs no gRPC stack.
package grpchealth

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
)

// Client asks. It keeps no connection.
type Client struct {
	scheme string
	http   *http.Client
}

// New returns a client that speaks HTTP/2 in clear text, or, with a config, by TLS.
func New(config *tls.Config) Client {
	p := new(http.Protocols)
	scheme := "http"
	if config == nil {
		p.SetUnencryptedHTTP2(true)
	} else {
		p.SetHTTP2(true)
		scheme = "https"
	}
	return Client{scheme, &http.Client{Transport: &http.Transport{Protocols: p, TLSClientConfig: config, DisableKeepAlives: true}}}
}

// servingStatus is HealthCheckResponse.ServingStatus.
var servingStatus = map[byte]string{0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}

// Check asks the server at addr for a service, "" for the server as a whole. It
// returns nil where that serves.
func (c Client) Check(ctx context.Context, addr, service string) error {
	defer c.http.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.scheme+"://"+addr+"/grpc.health.v1.Health/Check", bytes.NewReader(checkRequest(service)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("grpc health: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // the answer is in
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("grpc health: %w", err)
	}
	code := res.Trailer.Get("Grpc-Status")
	if code == "" {
		code = res.Header.Get("Grpc-Status") // a response of trailers only
	}
	if code != "0" {
		return fmt.Errorf("grpc health: status %s %s", code, res.Trailer.Get("Grpc-Message")+res.Header.Get("Grpc-Message"))
	}
	if s := status(body); s != 1 {
		return fmt.Errorf("grpc health: %s", servingStatus[s])
	}
	return nil
}

// checkRequest is a length-prefixed HealthCheckRequest{service = 1}.
func checkRequest(service string) []byte {
	var msg []byte
	if service != "" {
		msg = append(msg, 0x0a)
		msg = binary.AppendUvarint(msg, uint64(len(service)))
		msg = append(msg, service...)
	}
	frame := make([]byte, 5, 5+len(msg))
	binary.BigEndian.PutUint32(frame[1:], uint32(len(msg))) //nolint:gosec // a service's name
	return append(frame, msg...)
}

// status is field 1 of a length-prefixed HealthCheckResponse; 0 when absent.
func status(frame []byte) byte {
	if len(frame) >= 7 && frame[0] == 0 && frame[5] == 0x08 {
		return frame[6]
	}
	return 0
}
