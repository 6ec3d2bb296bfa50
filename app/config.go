package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// The most that a stored hash may cost and still be checked; see package secret.
const (
	maxHashMemory = 256 * 1024 // KiB
	maxHashTime   = 16
)

// maxDrain bounds what a mistyped --drain costs: service managers kill who stays much longer.
const maxDrain = 5 * time.Minute

// check refuses what contradicts itself or is not safe, before anything is opened.
func (c *Config) check() error {
	if err := c.Place.check(); err != nil {
		return err
	}
	if c.Hash == (secret.Params{}) {
		c.Hash = secret.DefaultParams
	}
	switch floor := secret.DefaultParams; {
	case !c.Dev && (c.Hash.Memory < floor.Memory || c.Hash.Time < floor.Time):
		return fmt.Errorf("passwords must be hashed with at least %d MiB and %d passes (OWASP); less needs --dev", floor.Memory/1024, floor.Time)
	case c.Hash.Memory < 8 || c.Hash.Time < 1 || c.Hash.Memory > maxHashMemory || c.Hash.Time > maxHashTime:
		return fmt.Errorf("--hash-memory is at most %d (MiB) and --hash-time at most %d", maxHashMemory/1024, maxHashTime)
	case c.Drain < 0 || c.Drain > maxDrain:
		return fmt.Errorf("--drain is at most %s, and at least 0s", maxDrain)
	case c.HashSlots < 0 || c.MailWorkers < 0:
		return errors.New("--hash-slots and --mail-workers cannot be negative")
	}
	if c.SMTP != "" && c.SMTP != Mailbox {
		if _, err := (MailServer{SMTP: c.SMTP, Helo: c.SMTPHelo, DKIM: c.DKIM}).Transport(); err != nil {
			return err
		}
	}
	return c.checkListens()
}

func (c *Config) checkListens() error {
	taken := map[string]string{}
	for _, l := range c.wanted() {
		_, port, err := net.SplitHostPort(l.address)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return fmt.Errorf("%s must be HOST:PORT such as 127.0.0.1:8080, not %q", l.flag, l.address)
		}
		if other, ok := taken[l.address]; ok && port != "0" {
			return fmt.Errorf("%s and %s are both %s; give each its own port", other, l.flag, l.address)
		}
		taken[l.address] = l.flag
	}
	return nil
}

// ParseProxies reads the addresses of trusted proxies: single ones, or ranges such as 10.0.0.0/8.
func ParseProxies(texts []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if address, err := netip.ParseAddr(text); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(address, address.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			return nil, fmt.Errorf("--trusted-proxies must hold addresses or ranges such as 10.0.0.0/8, not %q", text)
		case prefix.Bits() == 0:
			return nil, fmt.Errorf("--trusted-proxies cannot hold %s: every client could choose its own address", text)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}

// refusePlainHTTP keeps links to new passwords off plain http.
func refusePlainHTTP(stores *shop.Snapshot) error {
	for _, v := range stores.Views() {
		if strings.HasPrefix(v.BaseURL, "http:") {
			return fmt.Errorf("store view %s has the plain-http base URL %s: mend it with rekey store-view set %s --base-url https://…, or start with --dev",
				v.Code, v.BaseURL, v.Code)
		}
	}
	return nil
}

// warn tells what may be meant but is rarely right.
func (s *server) warn(ctx context.Context) {
	if forgets, err := s.house.DB.MayForget(ctx); err == nil && forgets {
		s.Log.Warn("no standby has to confirm what is written: a failover may bring back used links and ended sessions", "remedy", "synchronous_mode: true (Patroni), or synchronous_standby_names")
	}
	if s.SMTP == "" {
		s.Log.Warn("no mail server was given, so this node only queues letters", "remedy", "--smtp smtp://user:password@host:587")
	}
	if s.SMTP == Mailbox && !s.Dev {
		s.Log.Warn("letters go to the mailbox page of this process, not to customers", "remedy", "--smtp smtp://user:password@host:587")
	}
	if s.ConsoleListen != "" && !s.Dev {
		if stores, err := s.house.Shop.Load(context.Background()); err == nil && stores.Address(shop.AdminURL) == "" {
			s.Log.Warn("the console has an address of its own that letters to administrators do not know", "remedy", "rekey config set "+shop.AdminURL+" https://…")
		}
	}
	if s.Dev {
		s.Log.Warn("development mode: plain http is allowed, and browsers are not told to insist on https")
	}
	if s.listeners.mailbox != nil && !isLoopback(s.MailboxListen) {
		s.Log.Warn("the mailbox can be read by everybody who reaches its address, and every letter holds a link", "address", s.MailboxListen)
	}
	if info, err := os.Stat(s.keyPath()); err == nil && info.Mode().Perm()&0o007 != 0 {
		s.Log.Warn("every user of this machine can read the secret key", "remedy", "chmod o= "+s.keyPath())
	}
	if s.ReplaceKey {
		s.Log.Warn("the store goes on with a new key: links in letters that were written with the old one do not work any more")
	}
}

// refuseDemo keeps a store whose passwords everybody knows from being served to the public.
func (h *House) refuseDemo(ctx context.Context) error {
	state, err := h.Demo(ctx)
	if err != nil {
		return h.Explain(err)
	}
	if state != "" {
		return fmt.Errorf("%s holds the demo, whose passwords everybody knows; run it with rekey demo, or choose another --data", h.Place)
	}
	return nil
}
