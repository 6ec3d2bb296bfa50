package admin

import (
	"cmp"
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/lang"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// Letters to administrators.
const (
	ResetLetter   = "admin_reset"   // with the link to a new password
	AddressLetter = "admin_address" // with the link that proves a new address
	ChangedLetter = "admin_changed" // the notice that follows each change of what they sign in with
)

// addressChanged is the change that is told to the address of before.
const addressChanged = "address"

// The pages of the console that letters lead to.
const (
	ForgotPath      = "/admin/login/forgot"
	NewPasswordPath = "/admin/login/new-password"
	NewAddressPath  = "/admin/login/new-address"
)

// Composers returns who writes this package's letters.
func (s *Service) Composers() map[string]mail.Composer {
	return map[string]mail.Composer{ResetLetter: s.composeReset, AddressLetter: s.composeAddress, ChangedLetter: s.composeChanged}
}

// compose begins a letter in the language of the store view that speaks to an administrator.
func compose(snap *shop.Snapshot, kind string, who Admin) (mail.Content, *lang.Lang, *time.Location, error) {
	v, ok := snap.Staff(who.WebsiteID)
	if !ok {
		return mail.Content{}, nil, nil, mail.NotNeeded("there is no store view that could send it")
	}
	l, store := v.Lang(), v.StoreName()
	c := mail.Content{
		Head: mail.Letterhead{Lang: l.Tag(), StoreName: store, LogoText: v.LogoText, Accent: v.Accent, SenderName: v.SenderName,
			SenderEmail: v.SenderEmail, BaseURL: snap.ConsoleURL(), LinkHint: l.T("letter.copy_link")},
		To:       mail.Address{Name: who.Name, Email: who.Email},
		Greeting: l.T("letter.greeting", "Name", cmp.Or(who.Name, who.Username)),
	}
	if c.Head.SenderName == "" {
		c.Head.SenderName = store
	}
	say := func(part string) string {
		return l.T("letter."+kind+"."+part, "Store", store, "Username", who.Username)
	}
	c.Subject, c.Title, c.Preheader, c.Why = say("subject"), say("subject"), say("preheader"), say("why")
	return c, l, v.Location(), nil
}

// console is where the links of letters lead.
func (s *Service) console(ctx context.Context) (*shop.Snapshot, string, error) {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return nil, "", err
	}
	base := snap.ConsoleURL()
	if base == "" {
		return nil, "", fault.New(fault.Conflict, "admin.no_url", "the console has no address yet; set "+shop.AdminURL)
	}
	return snap, base, nil
}

// composeReset writes the letter with the link. This is the first moment at which anybody looks the name up.
func (s *Service) composeReset(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	snap, base, err := s.console(ctx)
	if err != nil {
		return mail.Content{}, err
	}
	var who Admin
	var link secret.Text
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if who, err = named(ctx, tx, letter.Data["name"]); err != nil {
			return err
		}
		var fresh bool
		if link, fresh, err = s.putLink(ctx, tx, linkPurpose, letter, who, ""); err != nil || !fresh {
			return err // whoever asks by name and by address asks twice for the same letter
		}
		return few(ctx, tx, snap, who)
	})
	if err != nil {
		return mail.Content{}, err
	}
	c, l, zone, err := compose(snap, ResetLetter, who)
	if err != nil {
		return c, err
	}
	key := "letter." + ResetLetter
	c.Paragraphs = []string{l.T(key+".body1", "Username", who.Username)}
	c.Button = &mail.Button{Label: l.T(key + ".button"),
		URL: secret.NewText(base + NewPasswordPath + "?" + url.Values{"token": {link.Reveal()}}.Encode())}
	c.After = []string{l.T("letter.valid_until", "Date", l.Date(letter.ExpiresAt, zone))}
	if who.SecondFactor {
		c.After = append(c.After, l.T(key+".factor"))
	}
	c.NotYou = l.T(key + ".ignore")
	return c, nil
}

// tell queues the notice that what an administrator signs in with has changed.
func (s *Service) tell(ctx context.Context, tx *db.Tx, who Admin, what string, o audit.Origin) error {
	snap, err := s.Shop.LoadIn(ctx, tx)
	if err != nil {
		return err
	}
	v, ok := snap.Staff(who.WebsiteID)
	if !ok {
		return nil // nobody could send it
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	_, err = mail.Enqueue(ctx, tx, mail.Note{Kind: ChangedLetter, ViewID: v.ID, Data: map[string]string{"admin": strconv.FormatInt(who.ID, 10),
		"to":   who.Email,
		"what": strings.ReplaceAll(what, " ", "_"), "at": now.Format(time.RFC3339Nano), "place": o.Place(), "browser": o.Browser()}})
	return err
}

// composeChanged tells an administrator what was changed, when, and roughly from where.
func (s *Service) composeChanged(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return mail.Content{}, err
	}
	id, err := strconv.ParseInt(letter.Data["admin"], 10, 64)
	if err != nil {
		return mail.Content{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, letter.Data["at"])
	if err != nil {
		return mail.Content{}, err
	}
	var who Admin
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		who, err = Find(ctx, tx, id)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return mail.Content{}, mail.NotNeeded("the administrator is gone")
	}
	if err != nil {
		return mail.Content{}, err
	}
	if to := letter.Data["to"]; to != "" { // the address of that moment, also where it is the address that has changed
		who.Email = to
	}
	c, l, zone, err := compose(snap, ChangedLetter, who)
	if err != nil {
		return c, err
	}
	key := "letter." + ChangedLetter
	what := key + "." + letter.Data["what"]
	if !l.Has(what) {
		what = key + ".sign_in"
	}
	c.Paragraphs = []string{l.T(what, "Username", who.Username), l.T(key + ".signed_out")}
	c.Facts = append([]mail.Fact{
		{Label: l.T("letter.fact.when"), Value: l.Date(at, zone)},
	}, mail.Whence(l, letter.Data)...)
	if letter.Data["what"] == addressChanged { // a new password would not help: its link goes to the other address
		c.NotYou = l.T(key + ".not_you_address")
		return c, nil
	}
	if base := snap.ConsoleURL(); base != "" {
		c.Button = &mail.Button{Label: l.T(key + ".button"), URL: secret.NewText(base + ForgotPath)}
	}
	c.NotYou = l.T(key + ".not_you")
	return c, nil
}
