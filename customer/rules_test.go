package customer_test

import (
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

var camille = customer.Person{Email: "camille@lune.test", Firstname: "Camille", Lastname: "Moreau"}

// One password, four presets: "" is accepted, else the key of the rule that it breaks.
func TestRulesOfEachPreset(t *testing.T) {
	rows := []struct{ password, commerce, owasp, nist, cnil, why string }{
		{"abcde", "too_short", "too_short", "too_short", "too_short", "five characters"},
		{"zqwvkx", "", "too_short", "too_short", "too_short", "six, the store's minimum"},
		{"zqwvkxpl", "", "", "too_short", "classes", "eight of one class"},
		{"zqWvkxp7", "", "", "too_short", "", "eight of three classes"},
		{"zq wvk xpl", "whitespace", "", "too_short", "classes", "a space"},
		{" zqwvkxpl", "whitespace", "", "too_short", "classes", "a space before: refused, never trimmed"},
		{"zqwv\u00a0kxpl", "whitespace", "", "too_short", "classes", "no-break space"},
		{"zqwv\u3000kxpl", "whitespace", "", "too_short", "classes", "ideographic space"},
		{"zqwv\u200bkxpl", "whitespace", "", "too_short", "classes", "zero width space, which Unicode does not call white"},
		{"zqwv\ufeffkxpl", "whitespace", "", "too_short", "classes", "byte order mark"},
		{"zqwv\tkxpl", "whitespace", "", "too_short", "classes", "tab"},
		{"\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9", "", "too_short", "too_short", "too_short", "six letters that are twelve bytes"},
		{"\U0001f511\U0001f30a\U0001f319\U0001f33b\U0001f98a\U0001f340", "", "too_short", "too_short", "too_short", "six emoji"},
		{"password", "", "common", "too_short", "classes", "among the most common: advised against, or refused"},
		{"camille@lune.test", "is_email", "is_email", "is_email", "classes", "one's own address"},
		{"CAMILLE@lune.test", "is_email", "is_email", "is_email", "is_email", "in capitals"},
		{"Moreau", "", "too_short", "too_short", "too_short", "one's own name: advised against"},
		{"MaisonLune", "", "common", "too_short", "classes", "the store's name"},
		{"correct horse battery", "whitespace", "", "", "classes", "a passphrase"},
		{strings.Repeat("kq", 128), "", "", "", "classes", "256 characters"},
		{strings.Repeat("kq", 128) + "x", "too_long", "too_long", "too_long", "too_long", "257"},
		{"abc\x00defgh", "invalid_text", "invalid_text", "invalid_text", "invalid_text", "NUL"},
		{"abc\xffdefgh", "invalid_text", "invalid_text", "invalid_text", "invalid_text", "not UTF-8"},
		{"", "required", "required", "required", "required", "nothing"},
	}
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		h := fixture.Furnish(t, dbtest.Open(t, engine))
		for preset, want := range map[string]func(int) string{
			"commerce": func(i int) string { return rows[i].commerce }, "owasp": func(i int) string { return rows[i].owasp },
			"nist": func(i int) string { return rows[i].nist }, "cnil": func(i int) string { return rows[i].cnil },
		} {
			h.Set(shop.PasswordPreset, preset)
			rules := customer.RulesFor(h.View("lune_en"))
			for i, row := range rows {
				_, err := rules.Check(secret.NewText(row.password), camille)
				got := ""
				if e, ok := fault.As(err); ok {
					got = strings.TrimPrefix(e.Key, "password.")
				}
				if got != want(i) {
					t.Errorf("%s, %s: got %q, want %q", preset, row.why, got, want(i))
				}
			}
		}
	})
}

func TestCommonPasswordsAreAdvisedAgainst(t *testing.T) {
	h := fixture.Furnish(t, dbtest.Open(t, dbtest.SQLite))
	rules := customer.RulesFor(h.View("lune_en"))
	for password, common := range map[string]bool{"password": true, "PassWord": true, "moreau": true, "zqwvkx-83-lamp": false} {
		if a, err := rules.Check(secret.NewText(password), camille); err != nil || a.Common != common {
			t.Errorf("%s: %+v %v", password, a, err)
		}
	}
	long := strings.Repeat("a1b2", 64)
	if _, err := rules.Check(secret.NewText(long), camille); err != nil {
		t.Errorf("a long password: %v", err)
	}
}
