// Command consumers finds the services of a Consul with Prometheus' own code, and
// prints their targets until there is one, as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/consul"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run asks the Consul at addr for a service until it has a target.
func run(addr, service string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	config := consul.DefaultSDConfig
	config.Server, config.Services, config.ServiceTags = addr, []string{service}, []string{"v1"}
	registry := prometheus.NewRegistry()
	refresh := discovery.NewRefreshMetrics(registry)
	metrics := config.NewDiscovererMetrics(registry, refresh)
	if err := metrics.Register(); err != nil {
		return err
	}
	found, err := config.NewDiscoverer(discovery.DiscovererOptions{Logger: slog.Default(), Metrics: metrics})
	if err != nil {
		return err
	}
	groups := make(chan []*targetgroup.Group)
	go found.Run(ctx, groups)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case all := <-groups:
			targets := []model.LabelSet{}
			for _, g := range all {
				for _, t := range g.Targets {
					targets = append(targets, g.Labels.Merge(t))
				}
			}
			if len(targets) > 0 {
				return json.NewEncoder(os.Stdout).Encode(targets)
			}
		}
	}
}
