package mail

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

// stage is how far a conversation with the mail server had come when it failed.
type stage string

// The stages of RFC 5321, in their order.
const (
	connecting stage = "connect"
	greeting   stage = "greeting"
	hello      stage = "EHLO"
	encrypting stage = "STARTTLS"
	signingIn  stage = "AUTH"
	fromWhom   stage = "MAIL"
	toWhom     stage = "RCPT"
	beginning  stage = "DATA"
	finalDot   stage = "the end of the email"
)

// blame says whose fault a failure is, and with that what becomes of the email.
type blame int

const (
	later    blame = iota // the recipient's side asks to come back: greylisting, a full mailbox. This email waits, growing pauses between its tries
	mailbox               // this recipient, or this text, will never be taken: the email ends
	ours                  // what this website sends is not taken as things are set up. It waits until the operator has mended it, loudly
	ofServer              // no email of anybody is taken: unreachable, TLS, sign-in, closing down. All wait, and one at a time finds out how long
)

// Reason is why the mail server takes no email, as a label of few values.
type Reason string

// The reasons.
const (
	Unreachable Reason = "unreachable" // no connection, no answer
	TLS         Reason = "tls"         // no encryption that can be trusted
	SignIn      Reason = "sign_in"     // user name and password, or that none were given
	Hello       Reason = "hello"       // the name that we greet with
	Sender      Reason = "sender"      // the store view's sender address
	Relay       Reason = "relay"       // it takes nothing for other domains from us
	Policy      Reason = "policy"      // block lists, SPF, DKIM, DMARC, content
	Busy        Reason = "busy"        // closing down, too many connections, too much at once, a full disk
	Protocol    Reason = "protocol"    // it did not understand us, or something in it is broken
)

// Reasons lists them, for metrics.
func Reasons() []Reason {
	return []Reason{Unreachable, TLS, SignIn, Hello, Sender, Relay, Policy, Busy, Protocol}
}

// Cure is what whoever runs the store can do about a reason.
func (r Reason) Cure() string {
	switch r {
	case Unreachable:
		return "Check host and port of --smtp, the firewall, and that the mail server runs."
	case TLS:
		return "Give the mail server a certificate for its host name, or name the authority that signed it with ?ca=FILE; smtps:// is for ports that speak TLS at once, smtp:// for those that begin in clear."
	case SignIn:
		return "Check user name and password in --smtp, and that the mail server lets this account send."
	case Hello:
		return "Give --smtp-helo a full host name that is in DNS."
	case Sender:
		return "Let the mail server's account send from the store view's sender address, or change that address; its domain must be in DNS."
	case Relay:
		return "Let the mail server relay for this machine or this account; most demand a user name and password in --smtp."
	case Policy:
		return "Read the words: block lists name the address to have removed; SPF, DKIM and DMARC are mended in the DNS of the sender's domain."
	case Busy:
		return "Nothing, if it passes by itself; else lower --mail-workers, or ask the provider for more."
	}
	return "Read the words, and the mail server's own log."
}

// verdict is what the answer of a mail server means for an email.
type verdict struct {
	blame  blame
	reason Reason // for ours and ofServer
}

// rule is a line of the table below: the first one that fits decides.
type rule struct {
	stages   string // "" is any; else the stages, between blanks
	code     string // the reply code, with ? for any digit; several with |
	enhanced string // subject and detail of RFC 3463's code ("1.1"), with *; "-" is none, or one that says nothing (x.0.0); "" is any
	words    *regexp.Regexp
	verdict
}

const recipientOn = " RCPT DATA end " // from RCPT on

// Some servers, Exim above all, give no enhanced code, and some policies no better one than 5.7.1; their words are all there is.
var (
	onTLS       = regexp.MustCompile(`(?i)starttls|\btls\b|encrypt`)
	onThrottle  = regexp.MustCompile(`(?i)throttl|rate.?limit|sending (rate|quota|limit)|daily .*(quota|limit)|too many (connections|messages|emails)|too fast`)
	onSignIn    = regexp.MustCompile(`(?i)authenticat(e|ion) (is )?(required|needed|failed)|not (been )?authenticated|unauthenticated|not logged in|log ?in|sign in|must authenticate|credential`)
	onHello     = regexp.MustCompile(`(?i)\bhelo\b|\behlo\b`)
	onSender    = regexp.MustCompile(`(?i)\bsender|\bfrom (address|domain|header)|send as|not owned|mail from|not (a )?verified|return.?path`)
	onRelay     = regexp.MustCompile(`(?i)relay`)
	onPolicy    = regexp.MustCompile(`(?i)block|black ?list|\blisted|\b[dr](ns)?bl\b|spam|polic|reputation|\bspf\b|dkim|dmarc|reverse|\bptr\b|client host|your (ip|host|server)|banned|prohibit|administrativ|not authori[sz]ed`)
	onRecipient = regexp.MustCompile(`(?i)(user|mailbox|account|recipient|address|addressee)\b.*(unknown|not exist|n.t (have|exist)|no such|disabled|unavailable|not found|invalid|inactive|rejected)|(unknown|no such|invalid|no) (local )?(user|mailbox|account|recipient|person|address)`)
)

// judgements is what mail servers answer, and what it means. RFC 5321 §4.2 has the codes, RFC 3463 and the registry of IANA the
// enhanced ones; the rest is what Postfix, Exim, Exchange, Outlook.com, Gmail, Amazon and others do say.
var judgements = []rule{
	// Anywhere.
	{"", "421", "", nil, verdict{ofServer, Busy}},
	{"", "530|538", "", onTLS, verdict{ofServer, TLS}},
	{"", "530|534|535|538", "", nil, verdict{ofServer, SignIn}},
	// Before the first email: nobody's email is taken.
	{" greeting ", "4??", "", nil, verdict{ofServer, Busy}},
	{" greeting ", "???", "", nil, verdict{ofServer, Policy}},
	{" EHLO ", "???", "", nil, verdict{ofServer, Hello}},
	{" STARTTLS ", "???", "", nil, verdict{ofServer, TLS}},
	{" AUTH ", "???", "", nil, verdict{ofServer, SignIn}},
	// MAIL has named no recipient yet, so it is never the mailbox's fault.
	{" MAIL ", "???", "3.*", nil, verdict{ours, Busy}},
	{" MAIL ", "???", "", onHello, verdict{ours, Hello}},
	{" MAIL ", "???", "", onSignIn, verdict{ours, SignIn}},
	{" MAIL ", "50?", "", nil, verdict{ours, Protocol}},
	{" MAIL ", "???", "1.*", nil, verdict{ours, Sender}},
	{" MAIL ", "5??", "", onPolicy, verdict{ours, Policy}},
	{" MAIL ", "5??", "", nil, verdict{ours, Sender}},
	{" MAIL ", "???", "", nil, verdict{ours, Busy}},
	// A recipient, or the text, with an enhanced code.
	{recipientOn, "???", "1.7", nil, verdict{ours, Sender}},
	{recipientOn, "???", "1.8", nil, verdict{ours, Sender}},
	{recipientOn, "???", "1.0", onSender, verdict{ours, Sender}}, // Postfix: the sender is in none of its tables
	{recipientOn, "5??", "1.*", nil, verdict{mailbox, ""}},
	{recipientOn, "???", "2.2", nil, verdict{later, ""}},
	{recipientOn, "5??", "2.3", nil, verdict{mailbox, ""}},
	{recipientOn, "552", "2.*", nil, verdict{later, ""}},
	{recipientOn, "5??", "2.*", nil, verdict{mailbox, ""}},
	{recipientOn, "4??", "2.*", nil, verdict{later, ""}},
	{recipientOn, "4??", "3.*", nil, verdict{ours, Busy}},
	{recipientOn, "5??", "3.*", nil, verdict{ours, Protocol}}, // 5.3.4 too: no email of ours is large, so the limit is not one to keep
	{" RCPT ", "5??", "4.1", nil, verdict{mailbox, ""}},       // Microsoft 365: no such recipient
	{recipientOn, "5??", "4.4", nil, verdict{mailbox, ""}},    // no way to the domain
	{recipientOn, "5??", "4.*", nil, verdict{ours, Protocol}}, // a loop, a directory that does not answer
	{" RCPT ", "550", "5.0", nil, verdict{mailbox, ""}},       // Outlook.com: mailbox unavailable
	{recipientOn, "504", "", nil, verdict{ours, Hello}},
	{recipientOn, "???", "5.*", onHello, verdict{ours, Hello}},
	{recipientOn, "???", "5.*", nil, verdict{ours, Protocol}},
	{recipientOn, "5??", "6.*", nil, verdict{mailbox, ""}}, // the text, or an address outside of ASCII, cannot be delivered there
	{recipientOn, "5??", "7.17", nil, verdict{mailbox, ""}},
	{recipientOn, "5??", "7.18", nil, verdict{mailbox, ""}},  // the mailbox or the domain has another owner now
	{recipientOn, "5??", "7.12?", nil, verdict{mailbox, ""}}, // Exchange: the recipient takes emails of its own people only
	{recipientOn, "5??", "7.13?", nil, verdict{mailbox, ""}},
	// Sign-in, relaying and policies: by code where there is one, by words where it says no more.
	{recipientOn, "???", "7.*|-", onThrottle, verdict{ours, Busy}},
	{recipientOn, "5??", "7.2?", nil, verdict{ours, Policy}}, // SPF, DKIM, DMARC, reverse DNS
	{recipientOn, "???", "7.*|-", onRelay, verdict{ours, Relay}},
	{recipientOn, "???", "7.*|-", onHello, verdict{ours, Hello}},
	{recipientOn, "???", "7.*|-", onSignIn, verdict{ours, SignIn}},
	{recipientOn, "???", "7.*|-", onSender, verdict{ours, Sender}},
	{recipientOn, "5??", "7.*", nil, verdict{ours, Policy}},
	{recipientOn, "4??", "", nil, verdict{later, ""}},
	// No enhanced code, or x.0.0.
	{recipientOn, "500|501|502|503|504|555", "", nil, verdict{ours, Protocol}},
	{recipientOn, "552", "", nil, verdict{later, ""}},
	{recipientOn, "5??", "", onPolicy, verdict{ours, Policy}},
	{" RCPT ", "550|551|553|556|521", "", nil, verdict{mailbox, ""}},
	{recipientOn, "5??", "", onRecipient, verdict{mailbox, ""}},
	{recipientOn, "5??", "", nil, verdict{ours, Policy}},
	// Neither 2xx nor a failure where one of them had to come.
	{"", "???", "", nil, verdict{ofServer, Protocol}},
}

// judge reads the table.
func judge(at stage, code int, words string) verdict {
	in := string(at)
	if at == finalDot {
		in = "end"
	}
	enhanced, reply := enhancedCode(code, words), strconv.Itoa(code)
	for _, r := range judgements {
		if (r.stages == "" || strings.Contains(r.stages, " "+in+" ")) && fits(r.code, reply) &&
			(r.enhanced == "" || fits(r.enhanced, enhanced)) && (r.words == nil || r.words.MatchString(words)) {
			return r.verdict
		}
	}
	return verdict{ofServer, Protocol}
}

func fits(patterns, s string) bool {
	for pattern := range strings.SplitSeq(patterns, "|") {
		if ok, err := path.Match(pattern, s); ok && err == nil {
			return true
		}
	}
	return false
}

var enhancedForm = regexp.MustCompile(`^([245])\.(\d{1,3})\.(\d{1,3})\b`)

// enhancedCode is subject and detail of the code that begins the words, "-" when there is none that says anything.
func enhancedCode(code int, words string) string {
	m := enhancedForm.FindStringSubmatch(words)
	if m == nil || m[1] != strconv.Itoa(code/100) || m[2] == "0" {
		return "-"
	}
	return m[2] + "." + m[3]
}
