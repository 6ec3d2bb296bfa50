package token

import (
	"testing"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
)

// The example of RFC 5849 §3.4.1.1, with its form body, its realm and its double percent signs.
var rfc = Signed{
	Method: "post", Origin: "http://example.com", Path: "/request", Query: "b5=%3D%253D&a3=a&c%40=&a2=r%20b", Form: "c2&a3=2+q",
	Authorization: `OAuth realm="Example", oauth_consumer_key="9djdj82h48djs9d2", oauth_token="kkk9d7dh3k39sjv7", ` +
		`oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", oauth_nonce="7d8f3e4a", oauth_signature="bYT5CMsGcbgUdFHObYMEfcx6bsw%3D"`,
}

func allParams(t *testing.T, q Signed) []param {
	t.Helper()
	all, err := headerParams(q.Authorization)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{q.Query, q.Form} {
		more, err := formParams(part)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, more...)
	}
	return all
}

func TestTheBaseStringIsThatOfRFC5849(t *testing.T) {
	const want = "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D" +
		"%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1" +
		"%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
	if got := rfc.base(allParams(t, rfc)); got != want {
		t.Errorf("§3.4.1.1:\n%s\nwant\n%s", got, want)
	}
	for _, r := range []struct{ origin, path, want, why string }{
		{"http://example.com", "/r%20v/X", "http%3A%2F%2Fexample.com%2Fr%2520v%2FX", "§3.4.1.2, first example"},
		{"https://www.example.net:8080", "/", "https%3A%2F%2Fwww.example.net%3A8080%2F", "§3.4.1.2, second example"},
		{"https://example.com", "", "https%3A%2F%2Fexample.com%2F", "an empty path is a slash"},
	} {
		if got := (Signed{Method: "GET", Origin: r.origin, Path: r.path}).base(nil); got != "GET&"+r.want+"&" {
			t.Errorf("%s: %s", r.why, got)
		}
	}
}

func TestPercentEncodingIsThatOfRFC5849(t *testing.T) {
	for in, want := range map[string]string{
		"abcABC123": "abcABC123", "-._~": "-._~", "%": "%25", "+": "%2B", "&=*": "%26%3D%2A", "\n": "%0A", " ": "%20",
		"\x7f": "%7F", "\u0080": "%C2%80", "\u3001": "%E3%80%81", "!'()": "%21%27%28%29",
	} {
		if got := escape(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
		if back, err := unescape(want, false); err != nil || back != in {
			t.Errorf("%q is read as %q, %v", want, back, err)
		}
	}
	for _, broken := range []string{"%", "%4", "%zz", "%+1", "a%2"} {
		if got, err := unescape(broken, true); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q is read as %q, %v", broken, got, err)
		}
	}
}

// The base string of RFC 5849 §1.2's photo request with HMAC-SHA256; the signature was made with
// openssl dgst -sha256 -hmac 'kd94hf93k423kf44&pfkkdhi9sl3r4s00' -binary | base64.
func TestTheSignatureIsHMACSHA256(t *testing.T) {
	q := Signed{Method: "GET", Origin: "http://photos.example.net", Path: "/photos", Query: "file=vacation.jpg&size=original",
		Authorization: `OAuth oauth_consumer_key="dpf43f3p2l4k3l03",oauth_token="nnch734d00sl2jdk",oauth_signature_method="HMAC-SHA256",` +
			`oauth_timestamp="137131202",oauth_nonce="chapoH",oauth_signature="SIGNATURE"`}
	o, err := q.read()
	if err != nil {
		t.Fatal(err)
	}
	consumer, token := secret.NewText("kd94hf93k423kf44"), secret.NewText("pfkkdhi9sl3r4s00")
	if o.signature = signature; !o.isSignedBy(consumer, token) {
		t.Error("a right signature is refused")
	}
	for _, wrong := range []string{"", "x", signature[1:], "A" + signature[1:], signature + signature} {
		if o.signature = wrong; o.isSignedBy(consumer, token) {
			t.Errorf("%q is accepted", wrong)
		}
	}
	if o.signature = signature; o.isSignedBy(token, consumer) || o.isSignedBy(consumer, secret.Text{}) {
		t.Error("other secrets are accepted")
	}
}

const signature = "HtMwoX2zenlFjgGg/SNEoKEQmL7CzxYFEKzs7er044Y="

func TestParametersMayComeInAnyOrderButOnce(t *testing.T) {
	head := `OAuth oauth_consumer_key="k",oauth_token="t",oauth_signature_method="HMAC-SHA256",oauth_timestamp="1",oauth_nonce="n",oauth_signature="s%3D"`
	one, err := Signed{Method: "GET", Origin: "https://a.test", Path: "/x", Query: "b=2&a=1&a=0", Authorization: head}.read()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		q   Signed
		why string
	}{
		{Signed{Query: "a=0&a=1&b=2", Authorization: head}, "another order in the query"},
		{Signed{Query: "a=0&b=2&&a=1&", Authorization: "oauth   " + `oauth_signature = "s%3D" , oauth_nonce="n",oauth_timestamp="1", realm="x", oauth_signature_method="HMAC-SHA256",oauth_token="t",oauth_consumer_key="k"`}, "another order in the header"},
		{Signed{Query: "oauth_signature=s%3D&a=0&oauth_nonce=n&b=2&oauth_timestamp=1&a=1&oauth_signature_method=HMAC-SHA256&oauth_token=t&oauth_consumer_key=k"}, "all in the query"},
		{Signed{Query: "a=0&b=2", Form: "a=1", Authorization: head}, "some in the body"},
	} {
		r.q.Method, r.q.Origin, r.q.Path = "GET", "https://a.test", "/x"
		if got, err := r.q.read(); err != nil || got != one {
			t.Errorf("%s: %+v, %v\nwant %+v", r.why, got, err, one)
		}
	}
	for _, r := range []struct {
		q   Signed
		key string
		why string
	}{
		{Signed{Query: "oauth_nonce=m", Authorization: head}, "oauth1.malformed", "a nonce in the header and in the query"},
		{Signed{Form: "oauth_signature=z", Authorization: head}, "oauth1.malformed", "a second signature in the body"},
		{Signed{Authorization: head + `,oauth_token="t"`}, "oauth1.malformed", "a token twice, even alike"},
		{Signed{Authorization: head + `,oauth_extra`}, "oauth1.malformed", "no value"},
		{Signed{Authorization: head + `,x="1`}, "oauth1.malformed", "no end of a value"},
		{Signed{Authorization: head + ` x="1"`}, "oauth1.malformed", "no comma"},
		{Signed{Query: "a=%zz", Authorization: head}, "oauth1.malformed", "a broken percent sign"},
		{Signed{Authorization: head + `,oauth_version="2.0"`}, "oauth1.version", "another version"},
		{rfc, "oauth1.method", "HMAC-SHA1"},
		{Signed{Query: "oauth_token=t"}, "oauth1.required", "next to nothing"},
		{Signed{Query: "oauth_consumer_key=k&oauth_signature=s&oauth_signature_method=HMAC-SHA256&oauth_nonce=n&oauth_timestamp=%2B1"}, "oauth1.timestamp", "a timestamp in another spelling"},
	} {
		_, err := r.q.read()
		if f, ok := fault.As(err); !ok || f.Key != r.key || f.Kind != fault.Invalid {
			t.Errorf("%s: %v, want %s", r.why, err, r.key)
		}
	}
}
