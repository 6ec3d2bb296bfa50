package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
)

// A request with a signature is refused in words, or its base string says all that was sent and nothing twice: what is signed
// cannot be read in another way.
func FuzzSigned(f *testing.F) {
	good := `OAuth realm="x", oauth_consumer_key="k", oauth_token="t", oauth_signature_method="HMAC-SHA256", oauth_timestamp="137131201", oauth_nonce="n", oauth_signature="c2ln"`
	f.Add(good, "a=1&b=%20", "c2&a3=2+q")
	f.Add(strings.Replace(good, "HMAC-SHA256", "PLAINTEXT", 1), "", "")
	f.Add(good+`, oauth_nonce="m"`, "", "")
	f.Add(good, "oauth_nonce=m", "")
	f.Add(good, "a=%", "b=%zz")
	f.Add(good, "a=%26b%3D1", "")
	f.Add(`OAuth oauth_token=""`, "", "")
	f.Add(`oauth realm="a",realm="b"`, "", "")
	f.Add(strings.Replace(good, "137131201", "+1", 1), "", "")
	f.Fuzz(func(t *testing.T, authorization, query, form string) {
		q := Signed{Method: "GET", Origin: "https://lune.test", Path: "/rest/V1/customers/1", Query: query, Form: form, Authorization: authorization}
		o, err := q.read()
		if err != nil {
			if e, ok := fault.As(err); !ok || e.Kind != fault.Invalid || strings.Contains(e.Text, "\xff") {
				t.Fatalf("refused without words: %v", err)
			}
			return
		}
		parts := strings.Split(o.base, "&")
		if len(parts) != 3 || parts[0] != "GET" {
			t.Fatalf("the base string has %d parts: %s", len(parts), o.base)
		}
		signed, err := url.PathUnescape(parts[2])
		if err != nil {
			t.Fatal(err)
		}
		pairs := strings.Split(signed, "&")
		if !sortedByName(pairs) {
			t.Errorf("the parameters are not sorted: %s", signed)
		}
		known := map[string]string{}
		for _, pair := range pairs {
			name, value, _ := strings.Cut(pair, "=")
			n, err1 := url.PathUnescape(name)
			v, err2 := url.PathUnescape(value)
			if err1 != nil || err2 != nil || n == "oauth_signature" {
				t.Fatalf("%q in the base string", pair)
			}
			if _, twice := known[n]; twice && strings.HasPrefix(n, "oauth_") {
				t.Errorf("%s is signed twice", n)
			}
			known[n] = v
		}
		if known["oauth_consumer_key"] != o.consumer || known["oauth_token"] != o.token || known["oauth_nonce"] != o.nonce {
			t.Errorf("what is signed is not what is used: %v, %+v", known, o)
		}
		mac := hmac.New(sha256.New, []byte("a&b"))
		mac.Write([]byte(o.base))
		right := base64.StdEncoding.EncodeToString(mac.Sum(nil))
		if o.isSignedBy(secret.NewText("a"), secret.NewText("b")) != (decoded(o.signature) == decoded(right)) {
			t.Errorf("signature %q", o.signature)
		}
	})
}

func decoded(s string) string {
	raw, _ := base64.StdEncoding.DecodeString(s)
	return string(raw)
}

// sortedByName: by name and then by value, which is not the order of the pairs as texts.
func sortedByName(pairs []string) bool {
	return slices.IsSortedFunc(pairs, func(a, b string) int {
		an, av, _ := strings.Cut(a, "=")
		bn, bv, _ := strings.Cut(b, "=")
		if c := strings.Compare(an, bn); c != 0 {
			return c
		}
		return strings.Compare(av, bv)
	})
}
