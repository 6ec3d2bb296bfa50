package console

import (
	"net"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

// The tones of a state: the colour of its dot, beside the word.
const (
	good    = "good"
	bad     = "bad"
	waiting = "waiting"
	careful = "careful"
	quiet   = "quiet"
)

// letterKinds names the kinds of letter, in the order of the filter.
var letterKinds = [][2]string{
	{recovery.ForgotLetter, "Password reset"},
	{recovery.SignInLetter, "Code to sign in"},
	{recovery.StoreLetter, "Password reset, sent by the store"},
	{recovery.ChangedLetter, "Password changed"},
	{recovery.RequiredLetter, "New password required"},
	{recovery.SignedOutLetter, "Signed out by the store"},
	{token.RevokedLetter, "Apps signed out by the store"},
	{recovery.SecureLetter, "New password after an objection"},
	{recovery.ReportLetter, "Objection, told to the store"},
	{recovery.EmailChangeLetter, "New address"},
	{recovery.EmailNoticeLetter, "New address requested"},
	{recovery.EmailChangedNote, "Address changed"},
	{signin.PasskeyAddedLetter, "Passkey added"},
	{signin.PasskeyRemovedLetter, "Passkey removed"},
	{signin.PasskeyTakenLetter, "Passkey removed by the store"},
	{admin.ResetLetter, "Administrator's password reset"},
	{admin.AddressLetter, "Administrator's new address"},
	{admin.ChangedLetter, "Administrator's sign-in changed"},
	{customer.RegistrationLetter, "New account"},
	{customer.WelcomeLetter, "Welcome"},
	{customer.DeletedLetter, "Account deleted"},
}

func letterName(kind string) string {
	for _, one := range letterKinds {
		if one[0] == kind {
			return one[1]
		}
	}
	return kind
}

// letterState names a state of a letter and its tone.
func letterState(s mail.State) (word, tone string) {
	switch s {
	case mail.Queued:
		return "Queued", waiting
	case mail.Sending:
		return "Being sent", waiting
	case mail.Deferred:
		return "Waiting to be tried again", careful
	case mail.HandedOver:
		return "Handed over", good
	case mail.Refused:
		return "Refused", bad
	case mail.Expired:
		return "Expired", bad
	case mail.Unneeded:
		return "Not needed", quiet
	case mail.SetAside:
		return "Set aside", bad
	case mail.Unwritten:
		return "Could not be written", careful
	}
	return string(s), quiet
}

// letterStates are the states for the filter.
func letterStates() [][2]string {
	var all [][2]string
	for _, s := range mail.States() {
		word, _ := letterState(s)
		all = append(all, [2]string{string(s), word})
	}
	return all
}

// letterStep tells one event of a letter as a sentence; what is the letter's name.
func letterStep(what string, s mail.State, server, words string) (text, tone string) {
	_, tone = letterState(s)
	host := server
	if h, _, err := net.SplitHostPort(server); err == nil {
		host = h
	}
	if host == "" {
		host = "the mail server"
	}
	switch s {
	case mail.Queued:
		return what + " queued", tone
	case mail.HandedOver:
		return what + " handed to " + host, tone
	case mail.Deferred:
		if server == "" {
			return what + " has to wait and is tried again", tone
		}
		return what + " put off by " + host + "; it is tried again", tone
	case mail.Refused:
		return what + " refused by " + host, tone
	case mail.Expired:
		return what + " expired before it could be handed over", tone
	case mail.Unneeded:
		return what + " was not needed", tone
	case mail.SetAside:
		return what + " set aside: it cannot be sent", tone
	case mail.Unwritten:
		return what + " could not be written; it is tried again", tone
	}
	return what + ": " + string(s), tone
}
