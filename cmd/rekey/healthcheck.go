package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	healthTimeout = 5 * time.Second // of one question; less than the interval of any prober
	healthPause   = 100 * time.Millisecond
)

type healthCommand struct {
	Listen string        `default:"127.0.0.1:8080" help:"Address that the server listens on."`
	Alive  bool          `help:"Ask only whether the process answers (/healthz), not whether it can do its work (/readyz)."`
	Wait   time.Duration `default:"0s" placeholder:"DURATION" help:"Ask again for so long, such as 30s; for scripts that have just started a server."`
}

// Run asks the server.
func (c *healthCommand) Run(ctx context.Context, sh shell) error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return &usageError{fmt.Sprintf("--listen must be HOST:PORT such as 127.0.0.1:8080, not %q", c.Listen)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	url := "http://" + net.JoinHostPort(host, port) + "/readyz"
	if c.Alive {
		url = "http://" + net.JoinHostPort(host, port) + "/healthz"
	}
	for until := time.Now().Add(c.Wait); ; {
		err := c.ask(ctx, url)
		if err == nil {
			fmt.Fprintln(sh.out, "ok")
			return nil
		}
		if time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(healthPause):
		}
	}
}

func (c *healthCommand) ask(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return errors.New("no server answers at " + c.Listen)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server at %s is not ready", c.Listen)
	}
	return nil
}
