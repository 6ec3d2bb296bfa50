package demo

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

const (
	hour = time.Hour
	day  = 24 * hour
)

// plan decides what has happened.
func (p *past) plan() error {
	awake := p.awake()
	p.planVisits(awake)
	p.planPrograms(awake)
	p.planStories(awake)
	return nil
}

// awake are the customers of the crowd who come to the store, in a fixed order.
func (p *past) awake() []customer.Customer {
	var all []customer.Customer
	for _, c := range p.customers {
		if c.Confirmed() && !c.LastSignInAt.IsZero() && !strings.HasSuffix(c.Email, "@maison-lune.example") && !strings.HasSuffix(c.Email, "@nordlicht.example") {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b customer.Customer) int { return int(a.ID - b.ID) })
	p.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// planVisits lets some have signed in during the last days, several in one transaction.
func (p *past) planVisits(awake []customer.Customer) {
	const moments = 20
	visits := make([][]customer.Customer, moments)
	for i, c := range awake[:min(80, len(awake))] {
		visits[i%moments] = append(visits[i%moments], c)
	}
	for i, email := range []string{"camille@maison-lune.example", "camille@maison-lune.example", "theo@maison-lune.example",
		"anna@nordlicht.example", "oliver@nordlicht.example", "anna@nordlicht.example", "camille@maison-lune.example"} {
		visits[3*i%moments] = append(visits[3*i%moments], p.customers[email])
	}
	for i, those := range visits {
		p.when(6*day-time.Duration(i)*7*hour-time.Duration(p.rng.IntN(170))*time.Minute, func() error {
			return p.each(those, func(tx *db.Tx, c customer.Customer, v *shop.View) error {
				from := p.somewhere()
				if _, err := signin.Open(p.ctx, tx, v, c, from); err != nil {
					return err
				}
				return customer.SignedIn(p.ctx, tx, c.ID, p.at, from.IP)
			})
		})
	}
}

// planPrograms lets the integration and an app hold tokens for some.
func (p *past) planPrograms(awake []customer.Customer) {
	const moments = 12
	for i := range moments {
		var those []customer.Customer
		for j := i; j < min(48, len(awake)); j += moments {
			those = append(those, awake[len(awake)-1-j])
		}
		if i%4 == 0 {
			those = append(those, p.customers["camille@maison-lune.example"])
		}
		if i == 5 || i == 7 {
			those = append(those, p.customers["anna@nordlicht.example"])
		}
		p.when(time.Duration(moments-i)*2*day-time.Duration(p.rng.IntN(900))*time.Minute, func() error {
			var used []secret.Text
			err := p.each(those, func(tx *db.Tx, c customer.Customer, v *shop.View) error {
				holder, integration := p.erp.Name, p.erp.ID
				if i%3 == 1 {
					holder, integration = v.Website.Name+" app for Android", 0
				}
				bearer, err := token.Issue(p.ctx, tx, v, c, holder, integration, p.somewhere())
				used = append(used[:0], bearer)
				return err
			})
			if err != nil || len(used) == 0 {
				return err
			}
			p.at = p.at.Add(20 * hour)
			_, err = p.h.Tokens.Check(p.ctx, used[0])
			return err
		})
	}
}

// planStories lets passwords have been forgotten, and found again.
func (p *past) planStories(awake []customer.Customer) {
	lately := awake[80:]
	p.when(26*day, func() error { return p.camilleForgot() })
	for i, c := range append(p.atLune(lately[12:], 5), p.customers["camille@maison-lune.example"]) {
		p.when(time.Duration(2+3*i)*day, func() error { return p.connects(c) })
	}
	p.when(9*day, func() error { return p.forgot(lately[0], true, true) })
	p.when(5*day+3*hour, func() error { return p.forgot(lately[1], true, true) })
	p.when(2*day+7*hour, func() error { return p.forgot(lately[2], true, true) })
	p.when(30*hour, func() error { return p.forgot(lately[3], false, false) })
	p.when(8*hour, func() error { return p.forgot(lately[4], true, false) })
	p.when(26*hour, func() error { return p.askedFor("nobody.at.all@example.org", lately[5]) })
	p.when(6*day, func() error { return p.forgot(p.customers["oliver@nordlicht.example"], true, false) })

	p.when(4*day, func() error { return p.staffSends(p.support, lately[6]) })
	p.when(3*hour, func() error { return p.staffSends(p.boss, lately[7]) })
	p.when(28*hour, func() error { return p.staffForces(p.boss, awake[len(awake)-2]) })
	p.when(50*hour, func() error { return p.bossSignsIn() })
	p.when(4*hour, func() error { return p.bossSignsIn() })

	p.when(40*hour, func() error { return p.mistype(lately[8]) })
	p.when(2*hour, func() error { return p.lockOut(lately[9], lately[10], lately[11]) })
	p.when(hour, func() error { return p.staffUnlocks(p.support, lately[11]) })
}

// each does something for several customers in one transaction.
func (p *past) each(those []customer.Customer, do func(*db.Tx, customer.Customer, *shop.View) error) error {
	stores, err := p.h.Shop.Load(p.ctx)
	if err != nil {
		return err
	}
	return p.h.DB.Write(p.ctx, func(tx *db.Tx) error {
		for _, c := range those {
			current, err := customer.Find(p.ctx, tx, c.ID) // under its generation of that moment
			if err != nil {
				return err
			}
			view, _ := stores.View(c.ViewID) // a customer's view is never deleted
			if err := do(tx, current, view); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *past) viewOf(c customer.Customer) (*shop.View, error) {
	stores, err := p.h.Shop.Load(p.ctx)
	if err != nil {
		return nil, err
	}
	view, _ := stores.View(c.ViewID)
	return view, nil
}

// askedFor is a request for an address that is nobody's, in a customer's store.
func (p *past) askedFor(email string, at customer.Customer) error {
	view, err := p.viewOf(at)
	if err != nil {
		return err
	}
	if err := p.h.Recovery.Request(p.ctx, view, email, p.somewhere()); err != nil {
		return err
	}
	return p.post(2 * time.Second)
}

// post lets the mail worker do its work a moment later.
func (p *past) post(later time.Duration) error {
	p.at = p.at.Add(later)
	_, err := p.worker.Drain(p.ctx)
	return err
}

// camilleForgot lets her find her way back, to the password that the demo prints. It costs what the store's do.
func (p *past) camilleForgot() error {
	camille := known()[0]
	cheap := p.h.Recovery.Hasher
	p.h.Recovery.Hasher = p.hasher
	defer func() { p.h.Recovery.Hasher = cheap }()
	return p.forgotFor(p.customers[camille.email], true, true, secret.NewText(camille.password))
}

// forgot lets a customer ask for a link, perhaps open it, perhaps use it.
func (p *past) forgot(c customer.Customer, opens, completes bool) error {
	return p.forgotFor(c, opens, completes, secret.Random())
}

func (p *past) forgotFor(c customer.Customer, opens, completes bool, found secret.Text) error {
	view, err := p.viewOf(c)
	if err != nil {
		return err
	}
	from := p.somewhere()
	if err := p.h.Recovery.Request(p.ctx, view, c.Email, from); err != nil {
		return err
	}
	if err := p.post(2 * time.Second); err != nil || !opens {
		return err
	}
	link, err := p.linkOf(c)
	if err != nil {
		return err
	}
	p.at = p.at.Add(time.Duration(2+p.rng.IntN(20)) * time.Minute)
	pending, err := p.h.Recovery.Check(p.ctx, view, link, from)
	if err != nil {
		return err
	}
	if err := p.h.Recovery.Opened(p.ctx, pending, from); err != nil || !completes {
		return err
	}
	p.at = p.at.Add(time.Minute)
	if _, err := p.h.Recovery.Complete(p.ctx, view, recovery.Reset{Link: link, Password: found, Confirm: found}, from); err != nil {
		return err
	}
	return p.post(time.Second)
}

var linkInLetter = regexp.MustCompile(`https?://\S+[?&]token=\S+`)

// linkOf reads the link in the newest letter to a customer, as the customer would.
func (p *past) linkOf(c customer.Customer) (secret.Text, error) {
	for _, letter := range p.box.Letters() {
		if !slices.Contains(letter.Recipients, c.Email) {
			continue
		}
		if u, err := url.Parse(linkInLetter.FindString(letter.Text)); err == nil && u.Query().Has("token") {
			return secret.NewText(u.Query().Get("token")), nil
		}
	}
	return secret.Text{}, fmt.Errorf("no letter with a link came to customer %d", c.ID)
}

func (p *past) staffSends(who admin.Admin, c customer.Customer) error {
	permit, err := admin.Allow(who, admin.ResetPassword)
	if err != nil {
		return err
	}
	if err := p.h.Recovery.Send(p.ctx, permit, c.ID, p.desk()); err != nil {
		return err
	}
	return p.post(2 * time.Second)
}

func (p *past) staffForces(who admin.Admin, c customer.Customer) error {
	permit, err := admin.Allow(who, admin.ForceSignIn)
	if err != nil {
		return err
	}
	if _, err = p.h.Tokens.Force(p.ctx, permit, c.ID, false, p.desk()); err != nil {
		return err
	}
	return p.post(2 * time.Second)
}

func (p *past) staffUnlocks(who admin.Admin, c customer.Customer) error {
	permit, err := admin.Allow(who, admin.UnlockCustomer)
	if err != nil {
		return err
	}
	return p.h.SignIn.Unlock(p.ctx, permit, c.ID, p.desk())
}

func (p *past) bossSignsIn() error {
	_, err := p.h.Admins.SignIn(p.ctx, adminName, secret.NewText(adminPassword), p.desk())
	return err
}

// mistype is one wrong password.
func (p *past) mistype(c customer.Customer) error {
	view, err := p.viewOf(c)
	if err != nil {
		return err
	}
	_, err = p.h.SignIn.Prove(p.ctx, view, c.Email, secret.Random(), p.somewhere())
	if fault.Is(err, fault.Unauthenticated) {
		return nil
	}
	return err
}

// lockOut lets somebody guess passwords until the accounts are locked. A lock-out of ten minutes, the default, would be
// over before anybody looks; for these it is set to hours.
func (p *past) lockOut(those ...customer.Customer) error {
	shorten := map[string]string{shop.LockoutFailures: "2", shop.LockoutThreshold: "720"}
	every := shop.Scope{Kind: shop.Default}
	set := func(do func(tx *db.Tx, path string) error) error {
		return p.h.DB.Write(p.ctx, func(tx *db.Tx) error {
			for path := range shorten {
				if err := do(tx, path); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := set(func(tx *db.Tx, path string) error { return shop.Set(p.ctx, tx, path, shorten[path], every) })
	if err != nil {
		return err
	}
	for _, c := range those {
		for range 2 {
			if err := p.mistype(c); err != nil {
				return err
			}
			p.at = p.at.Add(3 * time.Second)
		}
	}
	return set(func(tx *db.Tx, path string) error { return shop.Unset(p.ctx, tx, path, every) })
}

const telephone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"

var browsers = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
	telephone,
	"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
	"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
}

// somewhere is a browser at an address that is nobody's (RFC 5737, RFC 3849).
func (p *past) somewhere() audit.Origin {
	host := byte(1 + p.rng.IntN(254))
	addresses := []netip.Addr{
		netip.AddrFrom4([4]byte{192, 0, 2, host}), netip.AddrFrom4([4]byte{198, 51, 100, host}), netip.AddrFrom4([4]byte{203, 0, 113, host}),
		netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, host, 0, host, 15: host}),
	}
	return audit.Origin{IP: pick(p.rng, addresses), UserAgent: pick(p.rng, browsers)}
}

// desk is where the staff sits.
func (p *past) desk() audit.Origin {
	return audit.Origin{IP: netip.AddrFrom4([4]byte{192, 0, 2, 17}), UserAgent: browsers[1]}
}
