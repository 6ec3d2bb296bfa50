package mail

import "testing"

// What mail servers do answer, and what becomes of the email. An operator's mistake must never end one.
func TestARefusalIsJudgedByStageAndCode(t *testing.T) {
	for _, c := range []struct {
		at    stage
		code  int
		words string
		want  verdict
	}{
		// The mailbox's: the email ends.
		{toWhom, 550, "5.1.1 <zoe@example.com>: Recipient address rejected: User unknown in local recipient table", verdict{mailbox, ""}},
		{toWhom, 550, "5.1.1 The email account that you tried to reach does not exist.", verdict{mailbox, ""}},
		{toWhom, 550, "5.1.2 bad destination domain", verdict{mailbox, ""}},
		{toWhom, 553, "5.1.3 bad destination mailbox address syntax", verdict{mailbox, ""}},
		{toWhom, 550, "5.1.6 mailbox has moved", verdict{mailbox, ""}},
		{toWhom, 556, "5.1.10 <zoe@example.com>: Recipient address rejected: Domain example.com does not accept mail (nullMX)", verdict{mailbox, ""}},
		{toWhom, 550, "5.2.1 The email account that you tried to reach is disabled.", verdict{mailbox, ""}},
		{toWhom, 550, "5.1.10 RESOLVER.ADR.RecipientNotFound", verdict{mailbox, ""}},
		{toWhom, 550, "5.4.1 Recipient address rejected: Access denied. [AM7EUR03FT003.eop-EUR03.prod]", verdict{mailbox, ""}},
		{toWhom, 550, "5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", verdict{mailbox, ""}},
		{toWhom, 550, "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup", verdict{mailbox, ""}},
		{toWhom, 550, "5.7.17 mailbox owner has changed", verdict{mailbox, ""}},
		{toWhom, 550, "5.7.18 domain owner has changed", verdict{mailbox, ""}},
		{toWhom, 550, "No such user here", verdict{mailbox, ""}},
		{toWhom, 550, "Unknown user", verdict{mailbox, ""}},
		{toWhom, 550, "Unrouteable address", verdict{mailbox, ""}},
		{toWhom, 550, "5.0.0 no such mailbox", verdict{mailbox, ""}},
		{toWhom, 551, "User not local; please try <zoe@example.net>", verdict{mailbox, ""}},
		{toWhom, 554, "This user doesn't have a yahoo.com account (zoe@yahoo.com)", verdict{mailbox, ""}},
		{toWhom, 550, "5.6.7 non-ASCII addresses not permitted for that recipient", verdict{mailbox, ""}},
		{finalDot, 550, "5.1.1 unknown recipient", verdict{mailbox, ""}},
		{finalDot, 552, "5.2.3 Message is too large for this mailbox", verdict{mailbox, ""}},
		{finalDot, 550, "5.6.0 Lone CR or LF in body", verdict{mailbox, ""}},
		{finalDot, 554, "delivery error: dd This user doesn't have a yahoo.com account", verdict{mailbox, ""}},
		// The recipient's side asks to come back.
		{toWhom, 450, "4.2.0 <zoe@example.com>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.com.html", verdict{later, ""}},
		{toWhom, 451, "4.7.1 Greylisting in action, please come back later", verdict{later, ""}},
		{toWhom, 450, "4.1.1 <zoe@example.com>: Recipient address rejected: unverified address", verdict{later, ""}},
		{toWhom, 452, "4.2.2 The email account that you tried to reach is over quota", verdict{later, ""}},
		{toWhom, 552, "5.2.2 mailbox full", verdict{later, ""}},
		{finalDot, 552, "5.2.2 The email account that you tried to reach is over quota", verdict{later, ""}},
		{finalDot, 552, "5.2.0 mailbox full", verdict{later, ""}},
		{finalDot, 552, "Requested mail action aborted: exceeded storage allocation", verdict{later, ""}},
		{toWhom, 451, "try later", verdict{later, ""}},
		{finalDot, 451, "4.7.1 Service unavailable - try again later", verdict{later, ""}},
		// The operator's: it waits, and somebody is told.
		{toWhom, 504, "5.5.2 <4f1d2c3b>: Helo command rejected: need fully-qualified hostname", verdict{ours, Hello}},
		{toWhom, 550, "5.7.1 <4f1d2c3b>: Helo command rejected: Host not found", verdict{ours, Hello}},
		{toWhom, 450, "4.7.1 <4f1d2c3b>: Helo command rejected: Host not found", verdict{ours, Hello}},
		{toWhom, 554, "5.7.1 <zoe@example.com>: Relay access denied", verdict{ours, Relay}},
		{toWhom, 454, "4.7.1 <zoe@example.com>: Relay access denied", verdict{ours, Relay}},
		{toWhom, 550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain", verdict{ours, Relay}},
		{toWhom, 550, "relay not permitted", verdict{ours, Relay}},
		{toWhom, 553, "5.7.1 <shop@shop.example>: Sender address rejected: not owned by user app", verdict{ours, Sender}},
		{toWhom, 553, "5.7.1 <shop@shop.example>: Sender address rejected: not logged in", verdict{ours, SignIn}},
		{toWhom, 450, "4.1.8 <shop@shop.example>: Sender address rejected: Domain not found", verdict{ours, Sender}},
		{toWhom, 550, "5.1.8 Access denied, bad outbound sender", verdict{ours, Sender}},
		{toWhom, 550, "5.1.0 <shop@shop.example>: Sender address rejected: User unknown in virtual mailbox table", verdict{ours, Sender}},
		{toWhom, 553, "5.1.7 bad sender's mailbox address syntax", verdict{ours, Sender}},
		{toWhom, 550, "Sender verify failed", verdict{ours, Sender}},
		{toWhom, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender", verdict{ours, Sender}},
		{toWhom, 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", verdict{ours, Policy}},
		{toWhom, 571, "Delivery not authorized, message refused", verdict{ours, Policy}},
		{toWhom, 550, "5.7.1 Recipient address rejected: blocked by policy", verdict{ours, Policy}},
		{toWhom, 554, "rejected due to DNSBL", verdict{ours, Policy}},
		{toWhom, 550, "authentication required", verdict{ours, SignIn}},
		{toWhom, 451, "4.3.5 Server configuration error", verdict{ours, Busy}},
		{toWhom, 451, "4.3.0 <zoe@example.com>: Temporary lookup failure", verdict{ours, Busy}},
		{toWhom, 550, "5.4.6 routing loop detected", verdict{ours, Protocol}},
		{beginning, 554, "5.5.1 Error: no valid recipients", verdict{ours, Protocol}},
		{finalDot, 552, "5.3.4 Message size exceeds fixed limit", verdict{ours, Protocol}},
		{finalDot, 550, "5.7.26 This mail has been blocked because the sender is unauthenticated.", verdict{ours, Policy}},
		{finalDot, 550, "5.7.1 [192.0.2.1] Our system has detected that this message is likely unsolicited mail", verdict{ours, Policy}},
		{finalDot, 550, "This message was classified as SPAM", verdict{ours, Policy}},
		{finalDot, 554, "Message rejected: Email address is not verified.", verdict{ours, Sender}},
		{finalDot, 454, "Throttling failure: Daily message quota exceeded.", verdict{ours, Busy}},
		{fromWhom, 550, "Verification failed for <shop@shop.example>", verdict{ours, Sender}},
		{fromWhom, 550, "5.1.8 domain does not exist", verdict{ours, Sender}},
		{fromWhom, 550, "rejected by block list", verdict{ours, Policy}},
		{fromWhom, 452, "4.3.1 Insufficient system storage", verdict{ours, Busy}},
		{fromWhom, 503, "HELO or EHLO required", verdict{ours, Hello}},
		{fromWhom, 501, "5.5.4 Syntax error in parameters", verdict{ours, Protocol}},
		{fromWhom, 451, "try later", verdict{ours, Busy}},
		// Nobody's email is taken.
		{greeting, 554, "5.7.1 rejected due to reputation", verdict{ofServer, Policy}},
		{greeting, 450, "too many connections", verdict{ofServer, Busy}},
		{hello, 501, "Syntactically invalid HELO argument(s)", verdict{ofServer, Hello}},
		{encrypting, 454, "4.7.0 TLS not available due to local problem", verdict{ofServer, TLS}},
		{signingIn, 535, "5.7.8 Error: authentication failed", verdict{ofServer, SignIn}},
		{signingIn, 535, "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant", verdict{ofServer, SignIn}},
		{signingIn, 454, "4.7.0 Temporary authentication failure", verdict{ofServer, SignIn}},
		{fromWhom, 530, "5.7.57 Client was not authenticated to send anonymous mail during MAIL FROM", verdict{ofServer, SignIn}},
		{fromWhom, 530, "5.7.0 Must issue a STARTTLS command first", verdict{ofServer, TLS}},
		{toWhom, 530, "5.7.0 Authentication required", verdict{ofServer, SignIn}},
		{toWhom, 421, "4.7.0 Error: too many errors", verdict{ofServer, Busy}},
		{finalDot, 421, "4.7.28 Our system has detected an unusual rate of mail", verdict{ofServer, Busy}},
		{toWhom, 250, "2.1.5 ok, where another answer had to come", verdict{ofServer, Protocol}},
	} {
		if got := judge(c.at, c.code, c.words); got != c.want {
			t.Errorf("%s: %d %s: %v, want %v", c.at, c.code, c.words, got, c.want)
		}
	}
}

// Every reason has words of its own for whoever has to act.
func TestEveryReasonHasACure(t *testing.T) {
	seen := map[string]Reason{}
	for _, r := range Reasons() {
		if other, ok := seen[r.Cure()]; ok {
			t.Errorf("%s and %s have the same cure", r, other)
		}
		seen[r.Cure()] = r
	}
}
