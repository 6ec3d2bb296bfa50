package lang

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/nicksnyder/go-i18n/v2/i18n"
)

// TestLanguagesSayTheSame holds the catalogues to each other: a key added in one language alone would be English in
// the middle of a French page, and a placeholder misspelt would print "<no value>".
func TestLanguagesSayTheSame(t *testing.T) {
	english := For(English)
	for _, code := range Supported()[1:] {
		other := For(code)
		for key, message := range english.messages {
			translated, ok := other.messages[key]
			if !ok {
				t.Errorf("%s lacks %q", code, key)
				continue
			}
			if want, got := placeholders(message), placeholders(translated); !slices.Equal(want, got) {
				t.Errorf("%s %q has the placeholders %v, English has %v", code, key, got, want)
			}
			if (message.One == "") != (translated.One == "") {
				t.Errorf("%s %q: only one of the two languages has a singular", code, key)
			}
		}
		for key := range other.messages {
			if !english.Has(key) {
				t.Errorf("%s has %q, which English lacks", code, key)
			}
		}
	}
}

var (
	actions = regexp.MustCompile(`\{\{[^}]*\}\}`)
	fields  = regexp.MustCompile(`\.([A-Z]\w*)`)
)

// placeholders lists the names that a sentence asks for, each once.
func placeholders(m *i18n.Message) []string {
	var found []string
	for _, action := range actions.FindAllString(m.One+m.Other, -1) {
		for _, match := range fields.FindAllStringSubmatch(action, -1) {
			found = append(found, match[1])
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestNoSentenceIsEmpty(t *testing.T) {
	for _, code := range Supported() {
		for key, m := range For(code).messages {
			if strings.TrimSpace(m.Other) == "" {
				t.Errorf("%s %q is empty", code, key)
			}
			if m.Other != strings.TrimSpace(m.Other) {
				t.Errorf("%s %q begins or ends with white space", code, key)
			}
			if names := placeholders(m); m.One != "" && len(names) != 1 && !slices.Contains(names, "Count") {
				t.Errorf("%s %q has a plural and the placeholders %v; the number needs to be alone or be named Count", code, key, names)
			}
			filled := For(code).T(key, everyPlaceholder(m))
			if strings.Contains(filled, "<no value>") || strings.Contains(filled, "{{") || filled == key {
				t.Errorf("%s %q does not render: %q", code, key, filled)
			}
		}
	}
}

func everyPlaceholder(m *i18n.Message) map[string]any {
	data := map[string]any{}
	for _, name := range placeholders(m) {
		data[name] = 3
	}
	return data
}

// TestFrenchPunctuationDoesNotBreak keeps a sign from starting a line: French sets a no-break space before it.
func TestFrenchPunctuationDoesNotBreak(t *testing.T) {
	wrong := regexp.MustCompile(`[^\x{A0}\x{202F}?!][;:!?»]|«[^\x{A0}\x{202F}]`)
	harmless := regexp.MustCompile(`\{\{[^}]*\}\}|https?://\S*`)
	for key, m := range For("fr").messages {
		for _, text := range []string{m.One, m.Other} {
			if bad := wrong.FindString(harmless.ReplaceAllString(text, "x")); bad != "" {
				t.Errorf("%q has %q without a no-break space: %s", key, bad, text)
			}
			if strings.Contains(text, "'") {
				t.Errorf("%q has a straight apostrophe: %s", key, text)
			}
		}
	}
}

func TestForTakesAnyLocale(t *testing.T) {
	for locale, want := range map[string]string{
		"fr_FR": "fr", "fr-CA": "fr", "fr": "fr", "de_AT": "de", "en_US": "en",
		"pt_BR": "en", "": "en", "français": "en", // not in the catalogue, nothing, no locale
	} {
		if got := For(locale).Tag(); got != want {
			t.Errorf("For(%q) is %q, want %q", locale, got, want)
		}
	}
	if Knows("pt_BR") || Knows("") || !Knows("de_CH") {
		t.Error("Knows must accept the languages of the catalogue and nothing else")
	}
}

func TestPluralFollowsTheNumber(t *testing.T) {
	for _, c := range []struct {
		code string
		n    int
		want string
	}{
		{"en", 0, "At least 0 characters."},
		{"en", 1, "At least 1 character."},
		{"en", 6, "At least 6 characters."},
		{"fr", 0, "Au moins 0\u00a0caractère."}, // French counts nothing in the singular
		{"fr", 6, "Au moins 6\u00a0caractères."},
		{"fr", 1_000_000, "Au moins 1000000\u00a0caractères."}, // CLDR's "many", which the catalogue does not have
		{"de", 6, "Mindestens 6 Zeichen."},
	} {
		if got := For(c.code).T("password.rule.length", "Min", c.n); got != c.want {
			t.Errorf("%s %d: %q, want %q", c.code, c.n, got, c.want)
		}
	}
	if got := For("en").T("password.rule.length", map[string]any{"Min": int64(1)}); got != "At least 1 character." {
		t.Errorf("a map of arguments gave %q", got)
	}
}

func TestMissingSentenceStopsNothing(t *testing.T) {
	all, err := load(fstest.MapFS{
		"c/en/a.toml": {Data: []byte("x = \"only {{.Name}}\"\ny = \"both\"")},
		"c/fr/a.toml": {Data: []byte("y = \"les deux\"")},
	}, "c")
	if err != nil {
		t.Fatal(err)
	}
	french := all.languages["fr"]
	if got := french.T("x", "Name", "English"); got != "only English" {
		t.Errorf("a key that French lacks gave %q, want the English sentence", got)
	}
	if got := french.T("nobody.has.this"); got != "nobody.has.this" {
		t.Errorf("an unknown key gave %q, want the key", got)
	}
}

func TestMissingNamesLanguageAndKey(t *testing.T) {
	got := Missing("letter.forgot.subject", "no.such.key")
	want := []string{"en: no.such.key", "de: no.such.key", "fr: no.such.key"}
	if !slices.Equal(got, want) {
		t.Errorf("Missing gave %v, want %v", got, want)
	}
}

func TestSameKeyInTwoFilesIsRefused(t *testing.T) {
	_, err := load(fstest.MapFS{
		"c/en/a.toml": {Data: []byte(`x = "one"`)},
		"c/en/b.toml": {Data: []byte(`x = "two"`)},
	}, "c")
	if err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("two files with one key gave %v; the later would silently win", err)
	}
}

func TestMatchChoosesWhatTheReaderReads(t *testing.T) {
	offered := []string{"en_US", "fr_FR", "de_DE"}
	for _, c := range []struct {
		header string
		index  int
		ok     bool
	}{
		{"fr-CA,fr;q=0.9,en;q=0.5", 1, true},
		{"de-AT", 2, true},
		{"pt-BR,de;q=0.3", 2, true}, // the first choice is not offered, the second is
		{"zh-Hant", 0, false},
		{"", 0, false},
		{"\x00;;q=zz", 0, false},
	} {
		index, ok := Match(c.header, offered)
		if ok != c.ok || index != c.index {
			t.Errorf("Match(%q) is %d, %v; want %d, %v", c.header, index, ok, c.index, c.ok)
		}
	}
	if _, ok := Match("fr", nil); ok {
		t.Error("nothing offered must be no match")
	}
}
