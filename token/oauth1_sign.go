package token

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
)

// The bounds of what a signed request may carry; the listener bounds the bytes.
const (
	maxParams = 512
	maxNonce  = 128 // bytes
)

// Signed is a request that carries an OAuth 1.0a signature, as it was received.
type Signed struct {
	Method        string
	Origin        string // scheme://host[:port] of the store, lower-case, without the scheme's own port
	Path          string // escaped, as received
	Query         string // without the question mark
	Form          string // the body, if it is an urlencoded form
	Authorization string // the header's value
}

type param struct{ name, value string }

// oauth are the parts of a Signed that the protocol knows.
type oauth struct {
	consumer, token, verifier, nonce, signature string
	timestamp                                   int64 // seconds
	base                                        string
}

const bad = "The parameters of the OAuth signature cannot be read."

func badRequest(key, text string) error { return fault.New(fault.Invalid, "oauth1."+key, text) }

func unsigned(key, text string) error { return fault.New(fault.Unauthenticated, "oauth1."+key, text) }

// IsSigned tells whether a request claims to be signed: by its header, or by its query as RFC 5849 §3.5.3 allows.
func IsSigned(authorization, query string) bool {
	scheme, _, _ := strings.Cut(strings.TrimSpace(authorization), " ")
	return strings.EqualFold(scheme, "OAuth") || strings.HasPrefix(query, "oauth_") || strings.Contains(query, "&oauth_")
}

// read takes a request apart and makes the signature's base string (RFC 5849 §3.4.1). Errors: fault Invalid.
func (q Signed) read() (oauth, error) {
	header, err := headerParams(q.Authorization)
	if err != nil {
		return oauth{}, err
	}
	params := header
	for _, part := range []string{q.Query, q.Form} {
		more, err := formParams(part)
		if err != nil {
			return oauth{}, err
		}
		params = append(params, more...)
	}
	if len(params) > maxParams {
		return oauth{}, badRequest("malformed", bad)
	}
	known := map[string]string{}
	for _, p := range params {
		if !strings.HasPrefix(p.name, "oauth_") {
			continue
		}
		if _, twice := known[p.name]; twice {
			return oauth{}, badRequest("malformed", p.name+" is given more than once.")
		}
		known[p.name] = p.value
	}
	for _, name := range []string{"oauth_consumer_key", "oauth_signature", "oauth_signature_method", "oauth_nonce", "oauth_timestamp"} {
		if known[name] == "" {
			return oauth{}, badRequest("required", name+" is required. Enter and try again.")
		}
	}
	if v, given := known["oauth_version"]; given && v != "1.0" {
		return oauth{}, badRequest("version", "The OAuth version "+quotable(v)+" isn't supported. Verify and try again.")
	}
	if m := known["oauth_signature_method"]; m != "HMAC-SHA256" {
		return oauth{}, badRequest("method", "Signature method "+quotable(m)+" is not supported. Use HMAC-SHA256.")
	}
	at, err := strconv.ParseInt(known["oauth_timestamp"], 10, 64)
	if err != nil || at <= 0 || strconv.FormatInt(at, 10) != known["oauth_timestamp"] {
		return oauth{}, badRequest("timestamp", "The timestamp value in the oauth_timestamp parameter is incorrect.")
	}
	if len(known["oauth_nonce"]) > maxNonce || strings.ContainsRune(known["oauth_nonce"], 0) {
		return oauth{}, badRequest("nonce", "The nonce is too long.")
	}
	return oauth{consumer: known["oauth_consumer_key"], token: known["oauth_token"], verifier: known["oauth_verifier"],
		nonce: known["oauth_nonce"], signature: known["oauth_signature"], timestamp: at, base: q.base(params)}, nil
}

// quotable is what an answer may repeat of what a client sent.
func quotable(s string) string {
	return strings.ToValidUTF8(escape(s[:min(len(s), 40)]), "")
}

// base is the signature base string of RFC 5849 §3.4.1.1.
func (q Signed) base(params []param) string {
	var pairs []param
	for _, p := range params {
		if p.name != "oauth_signature" {
			pairs = append(pairs, param{escape(p.name), escape(p.value)})
		}
	}
	slices.SortFunc(pairs, func(a, b param) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.value, b.value)) })
	texts := make([]string, len(pairs))
	for i, p := range pairs {
		texts[i] = p.name + "=" + p.value
	}
	path := q.Path
	if path == "" {
		path = "/"
	}
	return strings.ToUpper(q.Method) + "&" + escape(q.Origin+path) + "&" + escape(strings.Join(texts, "&"))
}

// isSignedBy compares in constant time.
func (o oauth) isSignedBy(consumer, token secret.Text) bool {
	given, err := base64.StdEncoding.DecodeString(o.signature)
	m := hmac.New(sha256.New, []byte(escape(consumer.Reveal())+"&"+escape(token.Reveal())))
	m.Write([]byte(o.base))
	return err == nil && hmac.Equal(given, m.Sum(nil))
}

// headerParams reads the header Authorization (RFC 5849 §3.5.1). The realm is no part of the signature.
func headerParams(value string) ([]param, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	if !strings.EqualFold(scheme, "OAuth") {
		return nil, nil
	}
	var params []param
	realms := 0
	for rest = strings.TrimSpace(rest); rest != ""; {
		name, after, ok := strings.Cut(rest, "=")
		after = strings.TrimLeft(after, " \t")
		if !ok || !strings.HasPrefix(after, `"`) {
			return nil, badRequest("malformed", bad)
		}
		quoted, next, ok := strings.Cut(after[1:], `"`)
		if !ok {
			return nil, badRequest("malformed", bad)
		}
		next = strings.TrimLeft(next, " \t")
		if next != "" {
			if next, ok = strings.CutPrefix(next, ","); !ok {
				return nil, badRequest("malformed", bad)
			}
		}
		rest = strings.TrimSpace(next)
		if strings.EqualFold(strings.TrimSpace(name), "realm") {
			if realms++; realms > 1 {
				return nil, badRequest("malformed", bad)
			}
			continue
		}
		n, err1 := unescape(strings.TrimSpace(name), false)
		v, err2 := unescape(quoted, false)
		if err := cmp.Or(err1, err2); err != nil {
			return nil, err
		}
		params = append(params, param{n, v})
	}
	return params, nil
}

// formParams reads an urlencoded text (RFC 5849 §3.4.1.3.1): a plus is a space, an empty part is nothing.
func formParams(text string) ([]param, error) {
	var params []param
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err1 := unescape(name, true)
		v, err2 := unescape(value, true)
		if err := cmp.Or(err1, err2); err != nil {
			return nil, err
		}
		params = append(params, param{n, v})
	}
	return params, nil
}

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// escape is the percent-encoding of RFC 5849 §3.6: everything but unreserved signs, in capitals. net/url has none that agrees.
func escape(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; strings.IndexByte(unreserved, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// unescape reads percent-encoding. A percent sign that begins none is refused: two readers could read it in two ways.
func unescape(s string, plus bool) (string, error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+' && plus:
			b = append(b, ' ')
		case s[i] == '%':
			n, err := strconv.ParseUint(s[i+1:min(i+3, len(s))], 16, 8)
			if err != nil || i+2 >= len(s) || s[i+1] == '+' {
				return "", badRequest("malformed", bad)
			}
			b = append(b, byte(n))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b), nil
}
