package web

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/fault"
)

// A form is refused, or two readers of it read the same.
func FuzzForm(f *testing.F) {
	for _, body := range []string{"email=a%40b.test", "email=a&email=b", "email%5B%5D=a", "Email=a&email=b", "email=%ff", "email=%00", "email=a;b=c",
		"=", "&&&", "email", "email=a+b&password=%C3%A9", "%65mail=a", "email[0]=a&x=", "e\u017fmail=1", "\u212a=1&k=2"} {
		f.Add("application/x-www-form-urlencoded", body)
	}
	f.Add("application/x-www-form-urlencoded; charset=utf-16", "email=a")
	f.Add("multipart/form-data; boundary=x", "--x\r\n")
	f.Fuzz(func(t *testing.T, media, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", media)
		form, err := Form(r, "email", "k", "password")
		if err != nil {
			var refusal *Refusal
			if !errors.As(err, &refusal) && len(fault.List(err)) == 0 {
				t.Fatalf("neither read nor refused: %v", err)
			}
			return
		}
		again, err := url.ParseQuery(body)
		if err != nil {
			t.Fatalf("taken, although net/url does not: %v", err)
		}
		for _, name := range []string{"email", "k", "password"} {
			value := form.Get(name)
			if !utf8.ValidString(value) || strings.ContainsRune(value, 0) || len(value) > MaxField || value != again.Get(name) {
				t.Errorf("%s is %q; another reader has %q", name, value, again[name])
			}
			for key, values := range again {
				if strings.EqualFold(key, name) && (key != name || len(values) > 1) {
					t.Errorf("%s was taken beside %q=%q", name, key, values)
				}
			}
		}
	})
}
