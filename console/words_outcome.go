package console

import (
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/web"
)

// outcomes are the sentences of the notices that need no values.
var outcomes = map[string]string{
	"signed_out":        "You are signed out.",
	"session_ended":     "You were signed out after a while without activity. Please sign in.",
	"reset.asked":       "If there is an administrator with this name, you will receive an email with a link to reset your password. A link that you asked for earlier still works.",
	"reset.completed":   "You updated your password. Sign in with it.",
	"reset.queued":      "The customer will receive an email with a link to reset password. The letter is queued; the recovery timeline tells when it is handed over.",
	"reset.disabled":    "This account is disabled, so no letter was sent.",
	"reset.no_base_url": "No letter was sent: no store view of this customer's website has a base URL yet. Set it under Websites and Store Views.",
	"force.none":        "This customer has no tokens, so nothing was done.",
	"unlocked":          "Customer has been unlocked successfully.",
	"passkey.taken":     "The passkey was removed. The customer is told by letter.",
	"passkey.gone":      "This passkey was removed already.",
	"emails.resent":     "The email is sent again, with the same link.",
	"letter.under_way":  "This email is being sent right now.",
	"letter.ended":      "Only an email that was refused or set aside can be sent again.",
	"letter.over":       "The time of this email is over: its link has expired. Send a new one from the customer's page.",
	"emails.tried_all":  "What waits is tried now, and the mail server is asked again.",
	"saved":             "You saved the configuration.",
	"saved.nothing":     "Nothing was changed.",
	"website.created":   "The website was created. Give it a store view next.",
	"website.saved":     "You saved the website.",
	"view.created":      "The store view was created.",
	"view.saved":        "You saved the store view.",
	"webhook.replayed":  "The event is sent again, with the same id.",
	"webhook.enabled":   "The webhook is enabled: it is told of what happens from now on.",
	"webhook.disabled":  "The webhook is disabled. What happens meanwhile is not told.",
	"webhook.deleted":   "The webhook was deleted.",
	"client.deleted":    "The app was deleted. Its tokens are worth nothing any more.",
	"admin.created":     "The administrator was created and can sign in now.",
	"admin.saved":       "You saved the administrator.",
	"admin.disabled":    "The administrator is disabled, and signed out everywhere.",
	"admin.enabled":     "The administrator is enabled and can sign in again.",
	"admin.ended":       "The administrator was signed out everywhere.",
	"admin.deleted":     "The administrator was deleted.",
	"admin.asked":       "The new address is used once the link in the email to it was followed.",
	"admin.address":     "The address is confirmed. Sign in to go on.",
	"admin.last_owner":  "Nothing was changed: this is the last owner of all websites. Make somebody else an owner of all websites first.",
	"admin.self":        "Nothing was changed: this is your own account. Ask another owner to do this.",

	"incident.decided":   "The measures are saved. Nothing is done before you start.",
	"incident.started":   "The incident has started. You can leave this page; the work goes on.",
	"incident.paused":    "The incident is paused.",
	"incident.resumed":   "The incident goes on where it was.",
	"incident.cancelled": "The incident has ended. What was done stays done.",
	"incident.state":     "This cannot be done now: the incident stands otherwise than the page showed.",

	"factor.required":     "This store demands a second factor of every administrator. Set yours up to go on.",
	"factor.removed":      "Your second factor was removed. The password alone signs you in.",
	"passkey.added":       "Your passkey was added. Your other sessions have ended.",
	"passkey.removed":     "The passkey was removed.",
	"passkey.begin":       "Begin with your password to add a passkey.",
	"factor.reset":        "The second factor was removed, and the sessions have ended.",
	"password.changed":    "Your password was changed. Your other sessions have ended.",
	"client.changed":      "The app was changed.",
	"integration.changed": "The integration was changed. What it may reach holds from its next call on.",
	"integration.created": "The integration was created. It can do nothing until it is activated.",
	"integration.called":  "The callback URL was told. The integration is active as soon as it has fetched its access token, within 5 minutes.",
	"integration.deleted": "The integration was deleted. Its tokens are worth nothing any more.",
}

// outcome says a notice. Its values come back from the browser, so that only numbers and times are taken from them.
func (c *call) outcome(n web.Notice) string {
	switch n.Key {
	case "reset.limited":
		at, err := time.Parse(time.RFC3339, n.Args["at"])
		if err != nil {
			return ""
		}
		return "No letter was sent: this customer has had enough password resets for now. The next one is allowed " +
			c.minute(at) + "."
	case "emails.resent_all":
		emails, err := strconv.ParseInt(n.Args["emails"], 10, 64)
		if err != nil {
			return ""
		}
		return counted(emails, "email") + " sent again; what waits is tried now."
	case "force.done":
		tokens, err1 := strconv.ParseInt(n.Args["tokens"], 10, 64)
		sessions, err2 := strconv.ParseInt(n.Args["sessions"], 10, 64)
		if err1 != nil || err2 != nil {
			return ""
		}
		return receipt(tokens, sessions, n.Args["asked"] == "on")
	}
	return outcomes[n.Key]
}

// receipt tells what Force Sign-In ended.
func receipt(tokens, sessions int64, sessionsAsked bool) string {
	text := counted(tokens, "token") + " revoked."
	if tokens == 0 {
		text = "This customer had no tokens to revoke."
	}
	if sessionsAsked {
		text += " " + counted(sessions, "storefront session") + " ended."
	}
	return text
}

// counted writes "1 token" and "2 tokens".
func counted(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return thousands(n) + " " + what
}

// listed joins "a", "a and b", "a, b and c".
func listed(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

// quoted puts somebody else's words between quotation marks.
func quoted(words string) string {
	if words == "" {
		return ""
	}
	return "“" + words + "”"
}
