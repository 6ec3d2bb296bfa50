package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/secret"
)

func TestAFieldIsOneScalar(t *testing.T) {
	for _, row := range []struct {
		why, body string
		status    int
		email     string
	}{
		{"as the page sends it", "email=a%40b.example&form_key=x", 200, "a@b.example"},
		{"unknown fields are no matter", "email=a&utm=1&utm=2", 200, "a"},
		{"sent empty", "email=", 200, ""},
		{"two addresses (CVE-2023-7028)", "email=a&email=b", 400, ""},
		{"an array", "email[]=a", 400, ""},
		{"an indexed array beside the field", "email=a&email[0]=b", 400, ""},
		{"another case beside the field", "email=a&Email=b", 400, ""},
		{"invalid UTF-8", "email=%ff", 400, ""},
		{"NUL", "email=a%00b", 400, ""},
		{"invalid UTF-8 in a field that nobody reads", "email=a&x=%c3%28", 400, ""},
		{"a broken escape", "email=%zz", 400, ""},
		{"a very long field", "email=" + strings.Repeat("a", MaxField+1), 422, ""},
		{"a body above the limit", "email=" + strings.Repeat("a", MaxForm), 413, ""},
		{"a body above every limit", "email=" + strings.Repeat("a", MaxBody), 413, ""},
		{"too many fields", strings.Repeat("x=1&", MaxFields) + "email=a", 413, ""},
	} {
		var email string
		h, _ := house(t, func(w http.ResponseWriter, r *http.Request) error {
			v, err := Form(r, "email")
			email = v.Get("email")
			return err
		})
		r := httptest.NewRequest("POST", "/page/?email=query", strings.NewReader(row.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		if w := do(h, r); w.Code != row.status || (row.status == 200 && email != row.email) {
			t.Errorf("%s: %d, %q; want %d, %q", row.why, w.Code, email, row.status, row.email)
		}
	}
}

func TestOnlyFormsAreForms(t *testing.T) {
	h, _ := house(t, func(w http.ResponseWriter, r *http.Request) error {
		_, err := Form(r, "email")
		return err
	})
	for _, kind := range []string{"", "text/plain", "application/json", "multipart/form-data; boundary=x"} {
		r := httptest.NewRequest("POST", "/page/", strings.NewReader("email=a"))
		r.Header.Set("Content-Type", kind)
		if w := do(h, r); w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d", kind, w.Code)
		}
	}
}

func TestCookiesStayWithTheirHost(t *testing.T) {
	w := httptest.NewRecorder()
	Jar{Secure: true, Scope: "base"}.Set(w, "session", secret.NewText("value"), 90e9)
	if got, want := w.Header().Get("Set-Cookie"), "__Host-rekey-session-base=value; Path=/; Max-Age=90; HttpOnly; Secure; SameSite=Lax"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestANoticeIsToldOnce(t *testing.T) {
	jar := Jar{Scope: "base"}
	first := httptest.NewRecorder()
	jar.Tell(first, Notice{Key: "k", More: "m", Args: map[string]string{"Email": "ü@example.com"}})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", strings.Split(first.Header().Get("Set-Cookie"), ";")[0])
	page := httptest.NewRecorder()
	n, told := jar.Told(page, r)
	if !told || n.Key != "k" || n.More != "m" || n.Args["Email"] != "ü@example.com" {
		t.Errorf("told %v, %+v", told, n)
	}
	if !strings.Contains(page.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Error("the notice stays for the next page")
	}
	r.Method = http.MethodHead
	if _, told := jar.Told(httptest.NewRecorder(), r); told {
		t.Error("HEAD took the notice away from the page")
	}
	r = httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "rekey-notice-base=rubbish")
	if _, told := jar.Told(httptest.NewRecorder(), r); told {
		t.Error("rubbish was told")
	}
}
