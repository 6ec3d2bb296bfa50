package audit

import (
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/lang"
)

// What is called by an English article has a name in every language; letters and pages say it in their own.
func TestAProgramIsNamedInEveryLanguage(t *testing.T) {
	for _, b := range browsers {
		for _, code := range lang.Supported() {
			l := lang.For(code)
			said, article := l.Browser(b.name), strings.HasPrefix(b.name, "a ") || strings.HasPrefix(b.name, "an ")
			if foreign := code != lang.English && article; (said == b.name) == foreign {
				t.Errorf("%q is %q in %s", b.name, said, l.Name())
			}
		}
	}
	for code, want := range map[string]string{"en": "an Apple app on Mac", "fr": "une app Apple sur Mac", "de": "eine Apple-App auf Mac"} {
		if got := lang.For(code).Browser(Origin{UserAgent: "Lune/4 CFNetwork/1 (Mac OS X)"}.Browser()); got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
	if got := lang.For("de").Browser(""); got != "" {
		t.Errorf("nothing is called %q", got)
	}
}
