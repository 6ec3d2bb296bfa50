package secret

import (
	"bytes"
	"fmt"
	"testing"
)

// Promise: while a key is changed, each of the two makes with its own and accepts what the other made; once the other is given up,
// every copy of the key accepts its own alone.
func TestAKeyAcceptsTheOneBesideIt(t *testing.T) {
	old, next, stranger := RandomKey(), RandomKey(), RandomKey()
	id, row := []byte("letter 7"), []byte("row 3")
	sealed := old.Seal("factor", row, NewText("JBSWY3DPEHPK3PXP"))
	link, code := old.Derive("link", id), old.DeriveCode("code", id)
	changed := next.Accepting(old)
	copied := changed

	if !changed.Derive("link", id).Equal(next.Derive("link", id)) || !bytes.Equal(changed.Fingerprint(), next.Fingerprint()) {
		t.Error("it makes with the key beside it")
	}
	for _, r := range []struct {
		name string
		key  Key
		want bool
	}{
		{"the same key", old, true},
		{"told of the next", old.Accepting(next), true},
		{"changed", changed, true},
		{"changed, without the old one", next, false},
		{"beside a stranger", next.Accepting(stranger), false},
	} {
		_, err := r.key.Open("factor", row, sealed)
		if r.key.Made("link", id, link) != r.want || r.key.MadeCode("code", id, code) != r.want || (err == nil) != r.want ||
			r.key.Again("link", id, Digest(link)).Equal(link) != r.want {
			t.Errorf("%s: what the old key made counts otherwise than %v", r.name, r.want)
		}
	}
	if changed.Made("link", []byte("letter 8"), link) || changed.Made("other", id, link) {
		t.Error("a link of another letter or purpose")
	}
	if _, err := changed.Open("factor", []byte("row 4"), sealed); err == nil {
		t.Error("another row's secret opens")
	}

	again, did, err := changed.Reseal("factor", row, sealed)
	if err != nil || !did {
		t.Fatal(did, err)
	}
	if text, err := next.Open("factor", row, again); err != nil || text.Reveal() != "JBSWY3DPEHPK3PXP" {
		t.Errorf("sealed anew: %v", err)
	}
	if _, did, err := changed.Reseal("factor", row, again); err != nil || did {
		t.Errorf("sealed anew twice: %v, %v", did, err)
	}
	if _, _, err := stranger.Reseal("factor", row, sealed); err == nil {
		t.Error("a stranger seals anew")
	}

	changed.GiveUp()
	if _, err := copied.Open("factor", row, sealed); err == nil || copied.Made("link", id, link) || !copied.Beside().IsZero() {
		t.Error("a copy goes on accepting what was given up")
	}
	if !copied.Made("link", id, next.Derive("link", id)) {
		t.Error("its own is given up too")
	}
	if !old.Accepting(old).Beside().IsZero() || !old.Accepting(Key{}).Beside().IsZero() {
		t.Error("there is nothing beside a key but another key")
	}
	if text := fmt.Sprintf("%v %+v %#v %d", old.Accepting(next), old.Accepting(next), old.Accepting(next), old.Accepting(next)); text != "[secret] [secret] [secret] [secret]" {
		t.Errorf("it prints %s", text)
	}
}
