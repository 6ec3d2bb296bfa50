package shop_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/password"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/secret/breached"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

var camille = password.Person{Email: "camille@lune.test", Names: []string{"Camille", "Moreau"}}

// R032: one password, four presets: "" is accepted, else the key of the rule that it breaks.
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
		{"zqw vkx plm rtn sjd", "whitespace", "", "", "classes", "words with spaces between"},
		{"zqwv kxPl7", "whitespace", "", "too_short", "", "a space, among four classes"},
		{"àéîõüçñø", "", "", "too_short", "classes", "eight letters that Commerce counts as one class"},
		{"zqwvkxplmrtnsj", "", "", "too_short", "classes", "fourteen"},
		{"zqwvkxplmrtnsjd", "", "", "", "classes", "fifteen of one class: what NIST asks for, and no more"},
		{"aaaaaaaaaaaaaaaa", "", "common", "common", "classes", "one sign over and over"},
		{"abcdefghijklmnopq", "", "common", "common", "classes", "a row"},
		{"Password1Password1", "", "common", "common", "common", "a common one twice"},
		{"camille moreau", "whitespace", "common", "too_short", "classes", "one's own name with a space"},
		{"Qwerty123!", "", "", "too_short", "", "common, and a sign more: the strength meter's to say"},
	}
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		h := fixture.Furnish(t, dbtest.Open(t, engine))
		for preset, want := range map[string]func(int) string{
			"commerce": func(i int) string { return rows[i].commerce }, "owasp": func(i int) string { return rows[i].owasp },
			"nist": func(i int) string { return rows[i].nist }, "cnil": func(i int) string { return rows[i].cnil },
		} {
			h.Set(shop.PasswordPreset, preset)
			rules := h.View("lune_en").PasswordRules()
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

// R043: where the list of breached passwords comes from is a file, and what it says counts by the preset. A link is not
// spent by a password that is refused, and neither is an answer given that the list could not be asked for.
func TestBreachedPasswordsAreRefusedOrAdvisedAgainst(t *testing.T) {
	h := fixture.Furnish(t, dbtest.Open(t, dbtest.SQLite))
	h.Shop.Breached = breached.At(filepath.Join(t.TempDir(), "list"), nil)
	t.Cleanup(h.Shop.Breached.Close)
	if _, err := breached.Import(t.Context(), strings.NewReader("zqwvkx-83-lampe\n"), h.Shop.Breached.Path(), breached.Order{}, func(int64, float64) {}); err != nil {
		t.Fatal(err)
	}
	judge := func(typed string) (password.Advice, string) {
		t.Helper()
		advice, err := h.View("lune_en").PasswordRules().Check(secret.NewText(typed), camille)
		e, ok := fault.As(err)
		if err != nil && !ok {
			return advice, "internal"
		}
		if ok {
			return advice, e.Key
		}
		return advice, ""
	}
	for _, row := range []struct {
		why, common, password, key string
		found                      bool
	}{
		{"advised against", shop.CommonPasswordsAdvise, "zqwvkx-83-lampe", "", true},
		{"another one", shop.CommonPasswordsAdvise, "zqwvkx-84-lampe", "", false},
		{"refused", shop.CommonPasswordsEnforce, "zqwvkx-83-lampe", "password.breached", false},
		{"another one is not", shop.CommonPasswordsEnforce, "zqwvkx-84-lampe", "", false},
		{"nobody cares", shop.CommonPasswordsOff, "zqwvkx-83-lampe", "", false},
	} {
		h.Set(shop.CommonPasswords, row.common)
		if advice, key := judge(row.password); key != row.key || advice.Breached != row.found {
			t.Errorf("%s: %q, %+v", row.why, key, advice)
		}
	}
	// The list becomes unreadable.
	if err := os.WriteFile(h.Shop.Breached.Path(), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Shop.Breached.Close()
	h.Set(shop.CommonPasswords, shop.CommonPasswordsEnforce)
	if _, key := judge("zqwvkx-84-lampe"); key != "internal" {
		t.Errorf("a list that cannot be read lets a password through: %q", key)
	}
	h.Set(shop.CommonPasswords, shop.CommonPasswordsAdvise)
	if _, key := judge("zqwvkx-84-lampe"); key != "" {
		t.Errorf("advice that is missing stops a shopper: %q", key)
	}
}

func TestCommonPasswordsAreAdvisedAgainst(t *testing.T) {
	h := fixture.Furnish(t, dbtest.Open(t, dbtest.SQLite))
	rules := h.View("lune_en").PasswordRules()
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

// What is common, breached, made of one's own or the store's names, or guessed in a day opens no console.
func TestRulesOfAdministrators(t *testing.T) {
	h := fixture.Furnish(t, dbtest.Open(t, dbtest.SQLite))
	who := password.Person{Email: "ines@maison-lune.test", Names: []string{"icaron", "Inès", "Caron"}}
	rows := []struct{ typed, key, why string }{
		{"", "required", "nothing"},
		{"zqwvkx-8-pl", "too_short", "eleven"},
		{"zqwvkx-83-pl", "", "twelve"},
		{"zqw vkx 83 pl", "", "with spaces: words are welcome"},
		{"correct horse battery", "", "a passphrase"},
		{"password1234", "common", "it is on the list"},
		{"PassWord1234", "common", "and so it is in capitals"},
		{"qwertyqwerty", "common", "one of the list twice"},
		{"abcdefghijklm", "common", "a row"},
		{"iiiiiiiiiiiii", "common", "one sign over and over"},
		{"password12345", "weak", "the list's, and one more"},
		{"Password2026!", "weak", "the list's with a year, a capital and a sign"},
		{"administrator1", "weak", "the list's with a digit"},
		{"icaronicaron", "common", "the user name twice"},
		{"icaron123456", "weak", "the user name with a row"},
		{"InèsCaron2026", "weak", "the name with a year"},
		{"ines@maison-lune.test", "is_email", "the address"},
		{"maison-lune.test", "common", "its domain"},
		{"maisonlune2026", "weak", "the store's name with a year"},
		{strings.Repeat("kq7-", 64), "", "256 characters"},
		{strings.Repeat("kq7-", 64) + "x", "too_long", "257"},
		{strings.Repeat("\U0001f511", 257), "too_long", "257 that are more than a kilobyte"},
		{"zqwvkx-83-pl\xff", "invalid_text", "not UTF-8"},
	}
	for _, row := range rows {
		_, err := snapshot(t, h).AdminPasswordRules().Check(secret.NewText(row.typed), who)
		got := ""
		if e, ok := fault.As(err); ok {
			got = strings.TrimPrefix(e.Key, "password.")
		}
		if got != row.key {
			t.Errorf("%s: %q is %q, want %q", row.why, row.typed, got, row.key)
		}
	}
	for length, want := range map[string]bool{"8": true, "12": false, "16": false} {
		h.Set(shop.AdminMinPasswordLength, length)
		if _, err := snapshot(t, h).AdminPasswordRules().Check(secret.NewText("zqwvkx-83"), who); (err == nil) != want {
			t.Errorf("nine characters where the setting says %s: %v", length, err)
		}
	}
	if err := h.DB.Write(t.Context(), func(tx *db.Tx) error {
		return shop.Set(t.Context(), tx, shop.AdminMinPasswordLength, "7", shop.Scope{Kind: shop.Default})
	}); !fault.Is(err, fault.Invalid) {
		t.Errorf("no setting goes below eight: %v", err)
	}
}

func snapshot(t *testing.T, h *fixture.House) *shop.Snapshot {
	t.Helper()
	snap, err := h.Shop.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return snap
}
