package puzzle

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/db"
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
	return base64.RawURLEncoding.EncodeToString(body) + "." + s.stamp(v, f, body)
}

// read gives the ticket that write wrote for the same website and form, unless it has expired.
func (s *Service) read(v *shop.View, f Form, text string, now time.Time) (ticket, bool) {
	first, stamp, _ := strings.Cut(text, ".")
	body, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil || len(body) != ticketBytes || !hmac.Equal([]byte(stamp), []byte(s.stamp(v, f, body))) {
		return ticket{}, false
	}
	t := ticket{id: db.ID(body[:16]), from: time.UnixMicro(int64(binary.BigEndian.Uint64(body[16:]))), paid: body[ticketBytes-1] == 1}
	return t, now.Before(t.expires())
}

func (t ticket) expires() time.Time { return t.from.Add(life) }

func (t ticket) token() token { return token{id: t.id, expires: t.expires(), waited: !t.paid} }

func (s *Service) stamp(v *shop.View, f Form, body []byte) string {
	id := binary.BigEndian.AppendUint64(nil, uint64(v.WebsiteID))
	return s.Key.Derive("ticket "+string(f), append(id, body...)).Reveal()
}
