package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/shop"
)

// How long a receiver may take. Receivers are asked to answer first and work afterwards; one that does not answer holds a
// worker for that long.
const (
	connectLimit = 5 * time.Second
	answerLimit  = 15 * time.Second
	maxHeader    = 16 << 10 // bytes of the answer's header that are read; of its body none are
)

// sign makes the value of webhook-signature: symmetric, version 1 (Standard Webhooks, "Verifying webhook authenticity").
func sign(key []byte, id string, at time.Time, body string) string {
	m := hmac.New(sha256.New, key)
	fmt.Fprintf(m, "%s.%d.%s", id, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// messageID is the webhook-id: of the event, so that a receiver knows one that it has had, after a retry or a replay.
func messageID(event db.ID) string { return "msg_" + event.String() }

// post sends a body and returns the status of the answer. Errors name neither the path nor the query of the URL, which may
// hold a secret of the receiver's.
func (s *Service) post(ctx context.Context, private bool, d Delivery, at time.Time) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader([]byte(d.Body)))
	if err != nil {
		return 0, errors.New("the address cannot be read")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Rekey")
	r.Header.Set("Webhook-Id", messageID(d.EventID))
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("Webhook-Signature", sign(signingKey(s.Key, d.WebhookID, d.sealed), messageID(d.EventID), at, d.Body))
	return s.send(r, private)
}

// send is one request to whatever a store view has been told to call, and the status of its answer.
func (s *Service) send(r *http.Request, private bool) (status int, err error) {
	transport := s.transport(private)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: answerLimit,
		// A redirect is an answer that is not 2xx: whoever moves tells the store, and nobody is led elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return 0, err
	}
	answer.Body.Close() // unread: what a receiver says beyond its status is nothing that a page should show
	return answer.StatusCode, nil
}

// transport connects to addresses that may be reached, each time anew. No proxy: it would resolve the name itself.
func (s *Service) transport(private bool) *http.Transport {
	dialer := &net.Dialer{Timeout: connectLimit, Resolver: s.Resolver,
		// Control sees the address that is about to be connected to, after every look-up: what a name resolved to when
		// somebody looked at it is no promise.
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return reachable(to.Addr(), private)
		}}
	return &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: connectLimit, ResponseHeaderTimeout: answerLimit, MaxResponseHeaderBytes: maxHeader, DisableKeepAlives: true}
}

// prefixes parses a list of networks.
func prefixes(texts string) []netip.Prefix {
	var all []netip.Prefix
	for text := range strings.FieldsSeq(texts) {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

var (
	// insideNets are what an operator may have receivers in: loopback, private and shared networks (RFC 1918, 4193, 6598).
	insideNets = prefixes("127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 ::1/128 fc00::/7")
	// neverNets are where no receiver lives: this host, link-local with the metadata of clouds, protocol assignments,
	// documentation, benchmarks, 6to4 relays, multicast and reserved (the registries of RFC 6890), and the IPv6 networks whose
	// addresses contain an IPv4 address that somebody else would connect to (NAT64, 6to4, Teredo).
	neverNets = prefixes(`0.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
		224.0.0.0/4 240.0.0.0/4 ::/128 ::/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16
		fe80::/10 fec0::/10 ff00::/8`)
)

// reachable refuses addresses that events are not sent to. private allows those inside the operator's own networks.
func reachable(ip netip.Addr, private bool) error {
	ip = ip.Unmap().WithZone("")
	for _, net := range insideNets {
		if net.Contains(ip) {
			if private {
				return nil
			}
			return fmt.Errorf("%s is a private address, and the setting %s does not allow these", ip, shop.WebhookPrivateAddresses)
		}
	}
	for _, net := range neverNets {
		if net.Contains(ip) {
			return fmt.Errorf("%s is an address that nothing is sent to", ip)
		}
	}
	return nil
}
