package webhook

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/audit"
)

// event is one type of event and the acts that it tells of. One act may be several events: a recovery also ends sessions
// and revokes tokens.
type event struct {
	Type string
	Tell string   // for people who choose what to listen to
	From []string // the actions of the audit
	// Counts is the detail of the entry that must be more than zero.
	Counts string
	// Nobody leaves the customer out: the act is recorded for addresses that belong to nobody as well, and an event must
	// not tell which of them do.
	Nobody bool
}

// events is what programs can be told of. Adding one is a row.
var events = []event{
	{Type: "customer.created", Tell: "A customer account was created", From: []string{audit.CustomerCreated}},
	{Type: "password_reset.requested", Tell: "A new password was asked for; whose, is not told", From: []string{audit.ResetRequested, audit.ResetSentByStore}, Nobody: true},
	{Type: "password_reset.completed", Tell: "A password was changed with a recovery link", From: []string{audit.ResetCompleted}},
	{Type: "password.changed", Tell: "A password was changed by whoever knows it", From: []string{audit.PasswordChanged}},
	{Type: "tokens.revoked", Tell: "Tokens of a customer were revoked", From: []string{audit.TokensRevoked, audit.ResetCompleted, audit.PasswordChanged, audit.IncidentTreated, audit.Objected}, Counts: "tokens"},
	{Type: "sessions.ended", Tell: "Sessions of a customer were ended", From: []string{audit.SessionsEnded, audit.TokensRevoked, audit.ResetCompleted, audit.PasswordChanged, audit.IncidentTreated, audit.Objected}, Counts: "sessions"},
	{Type: "customer.objected", Tell: "Somebody pressed “It wasn't me” in a letter", From: []string{audit.Objected}},
	{Type: "passkey.added", Tell: "A passkey was added to an account", From: []string{audit.PasskeyAdded}},
	{Type: "passkey.removed", Tell: "A passkey was removed from an account, by its owner or by the store", From: []string{audit.PasskeyRemoved}},
	{Type: "customer.locked", Tell: "Signing in was paused after wrong passwords; whose, is not told", From: []string{audit.SignInLocked}, Nobody: true},
}

// Type is a type of event, for lists to choose from.
type Type struct{ Name, Tell string }

// Types lists the types of events.
func Types() []Type {
	var all []Type
	for _, e := range events {
		all = append(all, Type{e.Type, e.Tell})
	}
	return all
}

// names lists the types by name.
func names() []string {
	var all []string
	for _, e := range events {
		all = append(all, e.Type)
	}
	return all
}

// payload is the body of an event, in the shape that the Standard Webhooks specification recommends. Its fields are named
// one by one, so that nothing of an audit entry can slip in: no address, no name, no place, no words.
type payload struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"` // when it happened; the header says when it was sent
	Data      struct {
		Website    string `json:"website"`
		CustomerID int64  `json:"customer_id,omitempty"`
		By         string `json:"by"` // the audit's kind of actor
		Sessions   int64  `json:"sessions_ended,omitempty"`
		Tokens     int64  `json:"tokens_revoked,omitempty"`
	} `json:"data"`
}

// tells says whether an entry of the audit is this event.
func (e event) tells(of audit.Entry) bool {
	if !slices.Contains(e.From, of.Action) {
		return false
	}
	_, counted := of.Detail[e.Counts]
	// An act of this very name that gives no number (a refresh token that was used twice) was one all the same.
	return e.Counts == "" || count(of, e.Counts) > 0 || !counted && of.Action == e.Type
}

// body writes the event of an entry.
func (e event) body(of audit.Entry, website string) (string, error) {
	p := payload{Type: e.Type, Timestamp: of.At.UTC().Format(time.RFC3339Nano)}
	p.Data.Website, p.Data.By = website, of.Actor.Kind
	if !e.Nobody {
		p.Data.CustomerID = of.CustomerID
		p.Data.Sessions, p.Data.Tokens = count(of, "sessions"), count(of, "tokens")
	}
	text, err := json.Marshal(p)
	return string(text), err
}

func count(of audit.Entry, detail string) int64 {
	n, err := strconv.ParseInt(of.Detail[detail], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
