package console

import (
	"strconv"

	"github.com/rekeyhq/rekey/audit"
)

// actions names what the audit records. The stable name is shown beside it, because people search and alert by that.
var actions = map[string]string{
	audit.ResetRequested:     "Password reset asked for",
	audit.ResetSentByStore:   "Password reset sent by the store",
	audit.ResetLimited:       "Password reset asked for too often",
	audit.LinkOpened:         "Recovery link opened",
	audit.CodeTyped:          "Code of a recovery letter typed",
	audit.ResetCompleted:     "Password changed with a recovery link",
	audit.PasswordChanged:    "Password changed",
	audit.Objected:           "“It wasn't me” pressed in a letter",
	audit.HoldLifted:         "Hold of resets ended by signing in",
	audit.SessionStarted:     "Customer signed in",
	audit.SessionEnded:       "Customer signed out",
	audit.SessionsEnded:      "Customer signed out elsewhere",
	audit.SignInFailed:       "Wrong password",
	audit.SignInLocked:       "Wrong password; signing in is paused",
	audit.PasskeyAdded:       "Passkey added",
	audit.PasskeyRemoved:     "Passkey removed",
	audit.PasskeyRefused:     "Passkey refused",
	audit.Unlocked:           "Customer unlocked",
	audit.TokenIssued:        "Token issued",
	audit.TokensRevoked:      "Tokens revoked",
	audit.Registered:         "New account asked for",
	audit.CustomerCreated:    "Customer created",
	audit.CustomerUpdated:    "Customer changed",
	audit.CustomerDeleted:    "Customer deleted",
	audit.AddressProven:      "Address proven; what the account's maker had has ended",
	audit.DataDownloaded:     "Customer's data downloaded",
	audit.CustomersImported:  "Customers imported",
	audit.StoreRestored:      "Store restored from a backup; everybody signed out",
	audit.DurabilityChanged:  "Who keeps what the database wrote",
	audit.BreachedImported:   "List of breached passwords imported",
	audit.BreachedRemoved:    "List of breached passwords removed",
	audit.SettingChanged:     "Setting changed",
	audit.WebsiteCreated:     "Website created",
	audit.WebsiteChanged:     "Website renamed",
	audit.ViewCreated:        "Store view created",
	audit.ViewChanged:        "Store view changed",
	audit.AdminCreated:       "Administrator created",
	audit.AdminChanged:       "Administrator changed",
	audit.AdminDisabled:      "Administrator disabled",
	audit.AdminEnabled:       "Administrator enabled",
	audit.AdminDeleted:       "Administrator deleted",
	audit.AdminAddressAsked:  "Administrator's new address asked to be confirmed",
	audit.AdminSignedIn:      "Administrator signed in",
	audit.AdminSignedOut:     "Administrator signed out",
	audit.AdminSessionsEnded: "Administrator signed out by another one",
	audit.AdminSignInFail:    "Administrator's sign-in refused",
	audit.AdminLocked:        "Administrator locked",
	audit.AdminResetAsked:    "Administrator asked for a new password",
	audit.AdminReset:         "Administrator's password changed with a recovery link",
	audit.ClientCreated:      "App registered",
	audit.ClientChanged:      "App changed",
	audit.ClientDeleted:      "App deleted",
	audit.WebhookCreated:     "Webhook created",
	audit.WebhookChanged:     "Webhook changed",
	audit.WebhookDeleted:     "Webhook deleted",
	audit.WebhookReplayed:    "Event sent again",

	audit.SignInCodeRequested: "Code to sign in asked for",
	audit.SignedInByLetter:    "Customer signed in by letter",
	audit.CodeRefused:         "Wrong code typed",

	audit.IncidentStarted:   "Incident started",
	audit.IncidentPaused:    "Incident paused",
	audit.IncidentResumed:   "Incident resumed",
	audit.IncidentCancelled: "Incident cancelled",
	audit.IncidentFinished:  "Incident finished",
	audit.IncidentTreated:   "Treated by an incident",

	audit.EmailsResent: "Emails sent again or tried now",

	audit.ProtectionStarted: "Attack noticed: proof of work asked for",
	audit.ProtectionEnded:   "Attack over: no proof of work any more",

	audit.IntegrationCreated:    "Integration created",
	audit.IntegrationChanged:    "Integration changed",
	audit.IntegrationActivated:  "Integration activated",
	audit.IntegrationAuthorized: "Integration fetched its access token",
	audit.IntegrationDeleted:    "Integration deleted",
}

func actionName(action string) string {
	if name, ok := actions[action]; ok {
		return name
	}
	return action
}

// actorName says who did it.
func actorName(a audit.Actor) string {
	switch a.Kind {
	case audit.Store:
		if a.Name == "" {
			return "Somebody at the sign-in of the console"
		}
		return a.Name
	case audit.Command:
		return "Command line"
	case audit.System:
		return "Rekey"
	}
	if a.Name == "" {
		return "A visitor"
	}
	return a.Name
}

// actorKind is the second line below the name, where the name does not say it.
func actorKind(a audit.Actor) string {
	switch {
	case a.Kind == audit.Store && a.Name != "":
		return "Administrator"
	case a.Kind == audit.Shopper && a.Name != "":
		return "Customer"
	case a.Kind == audit.Integration && a.Name != "":
		return "Integration"
	}
	return ""
}

// storyStep tells an act as a step of a customer's story. Steps that the story does without have no text.
func storyStep(action, outcome string, who audit.Actor, detail map[string]string) (text, tone string) {
	switch action {
	case audit.ResetRequested:
		if outcome != "" {
			return "Asked for a new password again, too soon: no further letter", careful
		}
		return "Asked for a new password", quiet
	case audit.ResetLimited:
		return "Asked for a new password too often: no further letter", careful
	case audit.ResetSentByStore:
		return "Password reset sent by " + actorName(who), quiet
	case audit.LinkOpened:
		return "Link opened", quiet
	case audit.CodeTyped:
		return "Code of the letter typed in the browser that asked", quiet
	case audit.SignInCodeRequested:
		if outcome != "" {
			return "Asked for a code to sign in again, too soon: no further letter", careful
		}
		return "Asked for a code to sign in", quiet
	case audit.SignedInByLetter:
		return "Signed in with the code of the letter", good
	case audit.AddressProven:
		return "Address proven" + andEnded(detail), good
	case audit.CodeRefused:
		return "Wrong code typed", careful
	case audit.ResetCompleted:
		return "Password changed with the link" + andEnded(detail), good
	case audit.PasswordChanged:
		if detail["how"] == "passkey" {
			return "Password changed in the account, confirmed with a passkey" + andEnded(detail), good
		}
		return "Password changed in the account" + andEnded(detail), good
	case audit.SignInFailed:
		return "Wrong password", careful
	case audit.SignInLocked:
		return "Wrong password; signing in is paused", bad
	case audit.PasskeyAdded:
		return "Passkey added", careful
	case audit.PasskeyRemoved:
		if who.Kind != audit.Shopper {
			return "Passkey removed by " + actorName(who), careful
		}
		return "Passkey removed", quiet
	case audit.PasskeyRefused:
		if detail["why"] == "copied" {
			return "Passkey refused: its count went backwards, so there may be a copy of it", bad
		}
		return "Passkey refused", careful
	case audit.Unlocked:
		return "Unlocked by " + actorName(who), good
	case audit.Objected:
		return objected(detail), bad
	case audit.HoldLifted:
		return "Showed the password or a passkey: resets are no longer on hold", good
	case audit.IncidentTreated:
		if detail["password"] != "" {
			return "The store demands a new password" + andEnded(detail), careful
		}
		return "Signed out by the store" + andEnded(detail), careful
	case audit.TokensRevoked:
		if who.Kind == audit.Shopper {
			return "Tokens revoked through the web API" + andEnded(detail), quiet
		}
		return "Force Sign-In by " + actorName(who) + andEnded(detail), careful
	case audit.SessionsEnded:
		return "Signed out everywhere else" + andEnded(detail), quiet
	case audit.SessionStarted:
		if detail["with"] == "passkey" {
			return "Signed in with a passkey", quiet
		}
		return "Signed in", quiet
	case audit.SessionEnded:
		return "Signed out", quiet
	case audit.TokenIssued:
		return "A program signed in to the web API", quiet
	case audit.Registered:
		return "Asked for an account", quiet
	case audit.CustomerCreated:
		return "Account created", good
	case audit.DataDownloaded:
		return "Downloaded what the store keeps about them", quiet
	case audit.CustomerUpdated:
		return "Account details changed", quiet
	}
	return actionName(action), quiet
}

// objected tells what “It wasn't me” was pressed in, and what it did.
func objected(detail map[string]string) string {
	text := "“It wasn't me”, pressed in the letter “" + letterName(detail["letter"]) + "”" + andEnded(detail)
	for _, one := range []struct{ key, done string }{
		{"password", "the password was put out of use"}, {"hold_resets", "resets are on hold"}, {"hold_changes", "the address is kept, with no new passkeys"},
		{"passkey_removed", "the new passkey was removed"},
	} {
		if detail[one.key] != "" {
			text += "; " + one.done
		}
	}
	return text
}

// andEnded adds what an act ended: ": 2 tokens revoked, 1 session ended".
func andEnded(detail map[string]string) string {
	var parts []string
	for _, one := range []struct{ key, what, done string }{
		{"tokens", "token", " revoked"}, {"sessions", "session", " ended"}, {"passkeys", "passkey", " removed"},
	} {
		if n, err := strconv.ParseInt(detail[one.key], 10, 64); err == nil && n > 0 {
			parts = append(parts, counted(n, one.what)+one.done)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + listed(parts)
}
