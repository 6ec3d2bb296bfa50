package shop

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// baseURL is a base URL taken apart for matching requests.
type baseURL struct {
	scheme string
	host   string // lower-case, without a port
	port   string // always given: the scheme's own where the URL has none
	prefix string // path without a slash at its end: "" or "/fr"
}

var (
	hostName   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	pathPrefix = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)
)

// ownPaths are the first parts of addresses that Rekey itself answers; a base URL below one of them could never be
// reached.
var ownPaths = []string{"customer", "admin", "rest", "graphql", "oauth", "oauth2", "assets", "healthz", "readyz", "metrics"}

// defaultPorts are the ports that a browser leaves out.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// parseBaseURL reads a base URL; its errors end a sentence that begins with "The base URL".
func parseBaseURL(text string) (baseURL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return baseURL{}, errors.New("must be absolute, such as https://shop.example/fr")
	}
	b := baseURL{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Hostname()), port: u.Port()}
	switch {
	case defaultPorts[b.scheme] == "":
		return baseURL{}, errors.New("must begin with https://")
	case u.User != nil:
		return baseURL{}, errors.New("cannot contain a user name or a password")
	case u.RawQuery != "" || u.ForceQuery:
		return baseURL{}, errors.New("cannot contain a question mark")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return baseURL{}, errors.New("cannot contain a #")
	case net.ParseIP(b.host) == nil && !hostName.MatchString(b.host):
		return baseURL{}, fmt.Errorf("has a host name %q that cannot be used; write an international name as xn--…", u.Hostname())
	}
	b.prefix = strings.TrimRight(u.EscapedPath(), "/")
	if !pathPrefix.MatchString(b.prefix) {
		return baseURL{}, errors.New("has a path with more than letters, digits and the signs - . _ ~ between its slashes")
	}
	if first, _, _ := strings.Cut(strings.TrimPrefix(b.prefix, "/"), "/"); slices.Contains(ownPaths, first) {
		return baseURL{}, fmt.Errorf("has a path below /%s, which Rekey itself answers; choose another path", first)
	}
	if b.port == "" {
		b.port = defaultPorts[b.scheme]
	}
	return b, nil
}

// String is the one way in which this base URL is written.
func (b baseURL) String() string {
	host := b.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if b.port != defaultPorts[b.scheme] {
		host += ":" + b.port
	}
	return b.scheme + "://" + host + b.prefix
}

// answersTo reports whether a request's Host header names this base URL's host. A default port may be there or not,
// and may be the other scheme's: behind a proxy that ends TLS the request arrives over http.
func (b baseURL) answersTo(header string) bool {
	host, port := strings.ToLower(header), ""
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	}
	if inner, ok := strings.CutPrefix(host, "["); ok && strings.Contains(inner, ":") {
		host = strings.TrimSuffix(inner, "]") // an IPv6 address without a port
	}
	host = strings.TrimSuffix(host, ".")
	if host != b.host {
		return false
	}
	isDefault := port == "" || port == "80" || port == "443"
	return port == b.port || isDefault && b.port == defaultPorts[b.scheme]
}
