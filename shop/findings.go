package shop

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rekeyhq/rekey/secret/breached"
)

// Severity ranks a finding.
type Severity string

// The severities: an Error stops letters or pages, a Warning weakens the store, a Note is worth knowing.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Finding is one thing that "rekey config check", the start of the server and the console tell the operator.
type Finding struct {
	Severity Severity
	Text     string // one plain sentence
	Fix      string // the command that mends it, "" when there is none
}

// Check looks over the stores and settings.
func Check(s *Snapshot) []Finding {
	var found []Finding
	for _, v := range s.views {
		found = append(found, checkView(v)...)
	}
	for _, w := range s.websites {
		found = append(found, checkWebsite(s, w)...)
	}
	return append(found, checkLimits(s)...)
}

func checkView(v *View) []Finding {
	var found []Finding
	set := "rekey store-view set " + v.Code
	switch {
	case v.LentBaseURL:
		found = append(found, Finding{Note, fmt.Sprintf("Store view %s has no base URL; for development it uses %s.", v.Code, v.BaseURL), set + " --base-url https://…"})
	case v.BaseURL == "":
		found = append(found, Finding{Error, fmt.Sprintf("Store view %s has no base URL, so it has no pages and its letters cannot be sent.", v.Code), set + " --base-url https://…"})
	case v.base.scheme == "http":
		found = append(found, Finding{Warning, fmt.Sprintf("The base URL of store view %s is plain http: passwords and links can be read on their way.", v.Code), set + " --base-url https://…"})
	}
	if v.SenderEmail == "" {
		found = append(found, Finding{Error, fmt.Sprintf("Store view %s has no sender address, so its letters cannot be sent.", v.Code), set + " --sender-email shop@…"})
	}
	if v.SupportEmail == "" {
		found = append(found, Finding{Note, fmt.Sprintf("Store view %s has no support address; its letters name the sender's instead.", v.Code), set + " --support-email help@…"})
	}
	return found
}

// checkBreached tells where breached passwords are meant to be refused or advised against and cannot be known.
func checkBreached(s *Snapshot, w *Website) []Finding {
	common := w.Text(CommonPasswords)
	if common == CommonPasswordsOff {
		return nil
	}
	_, err := s.breached.Facts()
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, breached.ErrNone) && common == CommonPasswordsEnforce:
		return []Finding{{Error, fmt.Sprintf("Nobody can choose a password on website %s: %v.", w.Code, err), "rekey passwords import FILE"}}
	case !errors.Is(err, breached.ErrNone):
		return []Finding{{Warning, fmt.Sprintf("Website %s does not advise against breached passwords: %v.", w.Code, err), "rekey passwords import FILE"}}
	case common == CommonPasswordsEnforce:
		return []Finding{{Note, fmt.Sprintf("Website %s refuses common passwords, but those from data breaches are not known: no list was imported.", w.Code), "rekey passwords import FILE"}}
	}
	return nil
}

func checkWebsite(s *Snapshot, w *Website) []Finding {
	if len(s.ViewsOf(w.ID)) == 0 {
		return []Finding{{Error, fmt.Sprintf("Website %s has no store view, so nobody can reach it.", w.Code),
			"rekey store-view create --website " + w.Code + " …"}}
	}
	found := checkBreached(s, w)
	below := belowStandards(w)
	if len(below) == 0 {
		return found
	}
	return append(found, Finding{
		Severity: Warning,
		Text:     fmt.Sprintf("The password rules of website %s (preset %s) are below %s.", w.Code, w.Text(PasswordPreset), strings.Join(below, ", ")),
		Fix:      "rekey config set " + PasswordPreset + " nist --scope websites --scope-code " + w.Code,
	})
}

// belowStandards names what the rules in force for a website fall short of, for a store without a second factor.
func belowStandards(w *Website) []string {
	length, classes := w.Int(MinimumPasswordLength), w.Int(RequiredCharacterClasses)
	refusesCommon := w.Text(CommonPasswords) == CommonPasswordsEnforce
	var below []string
	if length < 15 || !refusesCommon {
		below = append(below, "NIST SP 800-63B-4 (15 characters, common passwords refused)")
	}
	if length < 8 || !refusesCommon {
		below = append(below, "OWASP ASVS 5.0 (8 characters, common passwords refused)")
	}
	if !reaches50Bits(length, classes) {
		below = append(below, "CNIL 2022-100 (50 bits: 8 characters of 3 classes)")
	}
	return below
}

// reaches50Bits counts the weakest password that the rules let through, as CNIL does: drawn from the smallest classes
// that satisfy them. (8 characters of 3 classes are CNIL's own example.)
func reaches50Bits(length, classes int) bool {
	switch {
	case classes >= 3:
		return length >= 8
	case classes == 2:
		return length >= 10 // digits and letters of one case: 36 signs
	default:
		return length >= 15 // digits alone
	}
}

func checkLimits(s *Snapshot) []Finding {
	var found []Finding
	if s.Int(LockoutFailures) == 0 || s.Duration(LockoutThreshold) == 0 {
		found = append(found, Finding{Warning, "Accounts are never locked, so passwords can be tried without end.",
			"rekey config set " + LockoutFailures + " 10"})
	}
	if s.Int(AdminLockoutFailures) == 0 {
		found = append(found, Finding{Warning, "Administrators' accounts are never locked, so their passwords can be tried without end.",
			"rekey config set " + AdminLockoutFailures + " 6"})
	}
	for _, v := range s.views {
		if v.Text(ResetProtectionType) == ProtectionNone || v.Int(MaxResetRequests) == 0 {
			found = append(found, Finding{Warning,
				fmt.Sprintf("Store view %s does not limit reset requests, so anybody can fill a customer's mailbox.", v.Code),
				"rekey config set " + ResetProtectionType + " 1 && rekey config set " + MaxResetRequests + " 5"})
		}
	}
	return found
}
