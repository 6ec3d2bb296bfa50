package console

import (
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/recovery"
)

// maxStory is how many steps a page tells, the latest ones.
const maxStory = 60

// step is one line of the recovery timeline.
type step struct {
	At     time.Time
	Text   string
	Tone   string
	Words  string // of the mail server, quoted; or the house's reason
	Origin string // browser and place
	Letter string // address of the letter's page, for whoever may see it
	Times  int64  // how often in a row; 1 mostly
}

// story turns the steps of a customer into sentences, newest first: who asks has somebody on the line, and asks about today. The same
// wrong password several times in a row is one line.
func story(steps []recovery.Step, letters bool) []step {
	var out []step
	for _, s := range steps {
		one := sentence(s)
		if letters && s.LetterID != (db.ID{}) {
			one.Letter = lettersPath + "/" + s.LetterID.String()
		}
		if n := len(out); n > 0 && s.Kind == audit.SignInFailed && out[n-1].Text == one.Text && out[n-1].Origin == one.Origin {
			out[n-1].Times++
			out[n-1].At = one.At
			continue
		}
		out = append(out, one)
	}
	slices.Reverse(out)
	return out[:min(len(out), maxStory)]
}

// sentence says one step.
func sentence(s recovery.Step) step {
	one := step{At: s.At, Times: 1, Origin: joined(s.Browser, s.Place)}
	state, isLetter := strings.CutPrefix(s.Kind, "letter.")
	if !isLetter {
		one.Text, one.Tone = storyStep(s.Kind, s.Outcome, s.Actor, s.Detail)
		return one
	}
	one.Text, one.Tone = letterStep(letterTitle(s.Letter), mail.State(state), s.Server, s.Words)
	one.Words = s.Words
	if s.Server != "" {
		one.Words = quoted(s.Words)
	}
	return one
}

// letterTitle is how a story calls a letter.
func letterTitle(kind string) string {
	switch kind {
	case recovery.ForgotLetter, recovery.StoreLetter:
		return "Letter"
	case recovery.ChangedLetter:
		return "Notice of the new password"
	}
	return "Letter “" + letterName(kind) + "”"
}

// joined puts what is known of an origin on one line.
func joined(parts ...string) string {
	var known []string
	for _, p := range parts {
		if p != "" {
			known = append(known, p)
		}
	}
	return strings.Join(known, " · ")
}
