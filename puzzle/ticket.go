package puzzle

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// ticket is the way around the work. Each protected form carries one; it is good from a moment on, so that whoever fills
// the form in at a human pace without a script has waited long enough, or nearly. It is signed and stored nowhere.
type ticket struct {
	id   db.ID
	from time.Time
	paid bool // it stands for a proof that was good while the form was not: good at once, and not counted as waiting
}

const ticketBytes = len(db.ID{}) + 8 + 1

func (t ticket) encode() []byte {
	b := binary.BigEndian.AppendUint64(t.id[:], uint64(t.from.UnixMicro()))
	if t.paid {
		return append(b, 1)
	}
	return append(b, 0)
}

func (s *Service) write(v *shop.View, f Form, t ticket) string {
	body := t.encode()
	return base64.RawURLEncoding.EncodeToString(body) + "." + s.Key.Derive(f.ticket(), stamped(v, body)).Reveal()
}

// read gives the ticket that write wrote for the same website and form, unless it has expired.
func (s *Service) read(v *shop.View, f Form, text string, now time.Time) (ticket, bool) {
	first, stamp, _ := strings.Cut(text, ".")
	body, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil || len(body) != ticketBytes || !s.Key.Made(f.ticket(), stamped(v, body), secret.NewText(stamp)) {
		return ticket{}, false
	}
	t := ticket{id: db.ID(body[:16]), from: time.UnixMicro(int64(binary.BigEndian.Uint64(body[16:]))), paid: body[ticketBytes-1] == 1}
	return t, now.Before(t.expires())
}

func (t ticket) expires() time.Time { return t.from.Add(life) }

func (t ticket) token() token { return token{id: t.id, expires: t.expires(), waited: !t.paid} }

// ticket is what the stamps of a form's tickets are derived for, and stamped what is in them.
func (f Form) ticket() string { return "ticket " + string(f) }

func stamped(v *shop.View, body []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(v.WebsiteID)), body...)
}
