package console_test

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// upload sends a form with a file as a browser does from our own page; fields are pairs.
func (d *desk) upload(path, file string, fields ...string) page {
	d.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			d.t.Fatal(err)
		}
	}
	name := ""
	if file != "" {
		name = "list.txt"
	}
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write([]byte(file))
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		d.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return d.do(r)
}

func TestBreachDayInTheConsole(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		for i := range 5 {
			c := h.customer(1, fmt.Sprintf("lune.%d@example.com", i), "Camille", "Durand")
			if i < 2 {
				h.session(c)
			}
		}
		other := h.customer(h.nord, "jonas@example.com", "Jonas", "Kowalski")
		h.session(other)
		desk := h.at("ines", admin.Owner, 0)
		desk.get("/admin/incidents").shows(t, "Breach Day", "No incidents, fortunately", "New Incident")
		desk.get("/admin/incidents/new").shows(t, "Network of the last sign-in", "at most 4 MB and 100,000 addresses", "Count Customers")

		for _, row := range []struct {
			why, file string
			fields    []string
			says      string
		}{
			{"no name", "", []string{"name", " "}, "Give it a name"},
			{"a day that is none", "", []string{"name", "x", "seen_from", "yesterday"}, "Write a day as"},
			{"a network that is none", "", []string{"name", "x", "network", "home"}, "Write a network such as"},
			{"a file that is no text", "\xff\xfe", []string{"name", "x"}, "This is no plain text"},
			{"a list of blank lines must not mean everybody", "\n \n", []string{"name", "x"}, "The list holds no address"},
			{"a line that is no address", "lune.1@example.com\nnobody\n", []string{"name", "x"}, "Line 3 of the list is no email address"},
			{"a website that is none", "", []string{"name", "x", "website", "mars"}, "There is no such website"},
		} {
			got := desk.upload("/admin/incidents", row.file, row.fields...)
			if got.shows(t, row.says); got.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", row.why, got.status)
			}
		}

		made := desk.upload("/admin/incidents", "", "name", "24 November", "website", "base")
		if made.status != http.StatusSeeOther {
			t.Fatalf("describing gives %d: %s", made.status, made.text())
		}
		draft := desk.get(made.location)
		draft.shows(t, "5 customers are meant", "Nothing has been done", "What is to be done?", "Discard")
		if got := desk.get(made.location + "/start"); got.status != http.StatusConflict {
			t.Errorf("starting with nothing to do: %d", got.status)
		}
		desk.post(made.location+"/measures", "per_hour", "60").shows(t, "Choose at least one thing to do")
		desk.post(made.location+"/measures", "sessions", "on", "per_hour", "fast").shows(t, "Letters can be sent at 1 to")
		desk.act(made.location+"/measures", "sessions", "on", "letter", "on", "per_hour", "600").shows(t, "Nothing is done before you start", "At 600 an hour, letters to all of them take about 30 seconds", "Start")
		desk.get(made.location+"/start").shows(t, "5 customers of Maison Lune: their sessions end", "5 letters are queued", "600 an hour", "OK", "Cancel")
		if tokens, sessions := h.living(other); tokens != 0 || sessions != 1 {
			t.Fatal("looking at the question did something")
		}
		desk.act(made.location+"/start").shows(t, "The incident has started", "Running", "Pause", "Stop")
		desk.get(made.location+"/stop").shows(t, "What is done stays done")
		desk.act(made.location+"/pause").shows(t, "Paused", "Resume")
		if got := desk.act(made.location + "/pause"); !strings.Contains(got.text(), "This cannot be done now") {
			t.Error("pausing what is paused looks well")
		}
		desk.act(made.location+"/resume").shows(t, "goes on where it was")
		ctx, cancel := context.WithCancel(context.Background())
		worked := make(chan error, 1)
		go func() { worked <- h.incidents.WorkOnce(ctx, 0) }()
		for done := false; !done; { // its pace keeps the last letters back
			select {
			case err := <-worked:
				t.Fatalf("the work ended: %v; %s", err, desk.get(made.location).text())
			default:
				got := desk.get(made.location)
				done = strings.Contains(got.text(), "5 treated of 5 chosen")
				if got.status != http.StatusOK {
					t.Fatalf("the page gives %d: %s", got.status, got.text())
				}
			}
		}
		desk.get(made.location).shows(t, "2 sessions, 0 tokens and 0 passwords")
		desk.act(made.location+"/stop").shows(t, "Stopped", "What was done stays done")
		cancel()
		<-worked
		if _, sessions := h.living(other); sessions != 1 {
			t.Error("a neighbour was signed out")
		}

		report := desk.get(made.location + "/report.csv")
		lines := strings.Split(strings.TrimSpace(report.body), "\n")
		if len(lines) != 6 || lines[0] != "customer_id,treated_at,sessions,tokens,password,letter,words" || !strings.Contains(report.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("the report: %q", report.body)
		}
		for _, line := range lines {
			for _, cell := range strings.Split(line, ",") {
				if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
					t.Errorf("the cell %q begins a formula", cell)
				}
			}
		}
		if got := desk.get(made.location + "/report.jsonl"); strings.Count(got.body, "\n") != 5 || !strings.HasPrefix(got.body, `{"customer_id":`) {
			t.Errorf("as JSON: %q", got.body)
		}
		desk.get("/admin/incidents").shows(t, "24 November", "5 of 5", "Stopped", "ines")

		listed := desk.upload("/admin/incidents", "LUNE.3@example.com\r\nnobody@example.com\r\n", "name", "a list", "addresses", "lune.1@example.com")
		desk.get(listed.location).shows(t, "2 customers are meant", "only addresses of the list given")
		desk.act(listed.location+"/stop").shows(t, "Discarded")
	})
}

func TestBreachDayNeedsItsRight(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		h.customer(1, "camille@example.com", "Camille", "Durand")
		h.customer(h.nord, "jonas@example.com", "Jonas", "Kowalski")
		boss := h.at("ines", admin.Owner, 0)
		all := boss.upload("/admin/incidents", "", "name", "everybody")
		support, nord := h.at("tom", "manager", 0), h.at("lea", admin.Owner, h.nord)
		for _, path := range []string{"/admin/incidents", "/admin/incidents/new", all.location, all.location + "/start", all.location + "/report.csv"} {
			if got := support.get(path); got.status != http.StatusForbidden {
				t.Errorf("%s without the right: %d", path, got.status)
			}
		}
		support.get("/admin/customers").hides(t, "Breach Day")
		for _, act := range []string{"/measures", "/start", "/pause", "/resume", "/stop"} {
			if got := support.post(all.location+act, "sessions", "on"); got.status != http.StatusForbidden {
				t.Errorf("%s without the right: %d", act, got.status)
			}
			if got := nord.post(all.location+act, "sessions", "on"); got.status != http.StatusNotFound {
				t.Errorf("%s of another website: %d", act, got.status)
			}
		}
		if got := nord.get(all.location); got.status != http.StatusNotFound {
			t.Errorf("an incident of all websites, for one website: %d", got.status)
		}
		if got := nord.upload("/admin/incidents", "", "name", "x", "website", "base"); got.status != http.StatusUnprocessableEntity {
			t.Errorf("another website chosen: %d", got.status)
		}
		own := nord.upload("/admin/incidents", "", "name", "x")
		nord.get(own.location).shows(t, "1 customer is meant", "Nordlicht")
	})
}
