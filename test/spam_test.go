package test

import (
	"bytes"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A filter writes what it thinks of an email as "X-Spam-Status: No, score=-0.1 required=5.0 tests=NAME,NAME…", folded.
var opinion = regexp.MustCompile(`(?s)X-Spam-Status: (?:Yes|No), score=(-?[\d.]+) required=[\d.]+\s+tests=(.*?)\s(?:autolearn|version)=`)

// Promise: no email of a store costs it a point with SpamAssassin's own rules. Rules that ask the network are left out, and what
// only the reserved domains of test stores cost.
func TestSpamFiltersFindNothingInOurEmails(t *testing.T) {
	filter, err := exec.LookPath("spamassassin")
	if err != nil && !complete() {
		t.Skip("SpamAssassin is not here; make test installs it")
	}
	if err != nil {
		t.Fatal(err)
	}
	d := newDemo(t)
	d.withoutLimits()
	for n, view := range []struct{ language, front string }{{"en", d.lune}, {"fr", d.fr}} {
		for kind, id := range d.everyLetter(view.front, d.people[n]) {
			t.Run(view.language+"/"+kind, func(t *testing.T) {
				judge := exec.Command(filter, "--local")
				judge.Stdin = strings.NewReader(d.source(id))
				judged, err := judge.Output()
				if err != nil {
					t.Fatal(err)
				}
				said := opinion.FindSubmatch(judged)
				if said == nil {
					t.Fatalf("the filter has no opinion:\n%.2000s", judged)
				}
				score, err := strconv.ParseFloat(string(said[1]), 64)
				if err != nil || score > 0 {
					t.Errorf("it costs %s points: %s", said[1], bytes.Join(bytes.Fields(said[2]), nil))
				}
			})
		}
	}
}

// source is an email of the mailbox as it came over the wire.
func (d *demo) source(id string) string {
	d.t.Helper()
	var email struct {
		Raw string `json:"raw"`
	}
	if d.fetch("/api/messages/"+id, &email); email.Raw == "" {
		d.t.Fatalf("email %s has no source", id)
	}
	return email.Raw
}
