// Package rekey_test holds the shape of the whole repository: the floors of the house, the owner of each table, and
// the few habits that a reader may rely on everywhere. It reads the source, so it needs no build and no database.
package rekey_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/rekeyhq/rekey/"

// floors is the house from top to bottom. A package imports from lower floors only, never upwards and never
// sideways. A folder inside a room belongs to the room.
var floors = [][]string{
	{"cmd/rekey", "test"}, // above the roof: the program's commands, and the tests of the whole program
	{"app"},               // roof
	{"storefront", "console", "api", "mailbox"}, // doors
	{"web"},                            // hall
	{"webhook", "incident"},            // telling programs what happens below · many customers at once, on breach day
	{"recovery", "puzzle"},             // use · a proof of work while under attack
	{"token"},                          // enter, by program
	{"signin"},                         // enter, in person
	{"customer"},                       // people who buy
	{"admin"},                          // people who run the store
	{"mail", "limit", "shop", "audit"}, // records
	{"password"},                       // what a new password must keep to
	{"db", "secret", "fault", "lang", "passkey", "outbound"}, // ground
	{"fair", "input"}, // what the ground hands out, shared
}

// testSupport may be imported by tests on every floor, and by nothing else.
var testSupport = []string{"db/dbtest", "test/fixture", "web/webtest"}

// supports tells whether a folder is, or is inside, test support.
func supports(dir string) bool {
	return slices.ContainsFunc(testSupport, func(s string) bool { return within(dir, s) })
}

// owners names the one package that may write SQL against a table.
var owners = map[string]string{
	"goose_db_version": "db",
	"installation":     "app",
	"websites":         "shop", "store_views": "shop", "settings": "shop", "shop_version": "shop",
	"limits": "limit", "lockouts": "limit",
	"audit": "audit", "audit_horizon": "audit",
	"letters": "mail", "letter_events": "mail", "mail_refusals": "mail",
	"customers": "customer", "registrations": "customer", "customer_standing": "customer",
	"customer_addresses": "customer", "email_changes": "customer", "cutoffs": "customer", "admin_standing": "admin",
	"admins": "admin", "admin_sessions": "admin", "admin_codes": "admin", "admin_passkeys": "admin", "admin_links": "admin",
	"sessions": "signin", "passkeys": "signin", "passkey_challenges": "signin",
	"integrations": "token", "tokens": "token", "token_holders": "token",
	"oauth1_handshakes": "token", "oauth1_nonces": "token",
	"oauth2_clients": "token",
	"links":          "recovery", "codes": "recovery", "objections": "recovery",
	"webhooks": "webhook", "deliveries": "webhook", "webhook_listeners": "webhook",
	"incidents": "incident", "incident_customers": "incident", "incident_addresses": "incident",
	"alarms": "puzzle", "spent_puzzles": "puzzle",
	"audit_news": "audit", "letter_standing": "mail",
}

// published are the views that an owner offers to everybody for reading.
var published = []string{"customer_standing", "admin_standing", "letter_standing", "webhook_listeners"}

// maxLines is the length at which a file has stopped being about one thing.
const maxLines = 500

// vague are names that say nothing about what is inside.
var vague = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "types", "manager",
	"managers", "impl", "misc", "shared"}

func TestFloorsHold(t *testing.T) {
	for _, f := range source(t) {
		from, ok := room(f.dir())
		if !ok {
			t.Errorf("%s: package %q is on no floor; give it one in floors, and in docs/architecture.md", f.path, f.dir())
			continue
		}
		for _, spec := range f.ast.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value) // the parser has accepted it
			target, inside := strings.CutPrefix(imported, module)
			if !inside {
				continue
			}
			if reason := forbidden(f, from, target); reason != "" {
				t.Errorf("%s imports %s: %s", f.path, target, reason)
			}
		}
	}
}

// forbidden says why a file may not import a package of the house, or "".
func forbidden(f file, from, target string) string {
	if supports(target) {
		if f.test || supports(f.dir()) || from == "test" {
			return ""
		}
		return "test support is for tests"
	}
	to, ok := room(target)
	switch {
	case !ok:
		return "it is on no floor"
	case to == from || f.dir() == ".":
		return ""
	case level(to) == level(from):
		return "sideways"
	case level(to) < level(from):
		return "upwards"
	}
	return ""
}

func TestEachTableHasOneOwner(t *testing.T) {
	for _, f := range source(t) {
		from, _ := room(f.dir())
		if f.test || from == "test" || supports(f.dir()) {
			continue
		}
		for literal, pos := range f.literals() {
			if lowerSQL.MatchString(literal) {
				t.Errorf("%s: SQL keywords are written in capitals, so that this test can read them", pos)
			}
			for _, use := range tablesUsed(literal) {
				owner, known := owners[use.table]
				reading := use.verb == "FROM" || use.verb == "JOIN"
				if !known || owner == from || reading && slices.Contains(published, use.table) {
					continue
				}
				t.Errorf("%s: %q says %s %s, but that table belongs to %s", pos, from, use.verb, use.table, owner)
			}
		}
	}
}

// Whether something that was issued is still alive is said once, by the owner of whom it was issued to: customer.SessionStands and
// its siblings, admin.Stands. Everybody else puts those into the statement that decides.
func TestAliveOrDeadIsSaidOnce(t *testing.T) {
	compares := regexp.MustCompile(`\b(?:session|token|link)_generation\b|\b(?:sessions|tokens|links)_cut\b`)
	for _, f := range source(t) {
		from, _ := room(f.dir())
		if f.test || from == "test" || from == "customer" || from == "admin" || supports(f.dir()) {
			continue
		}
		for literal, pos := range f.literals() {
			if compares.MatchString(literal) {
				t.Errorf("%s: %q compares by itself; use the condition that the owner publishes", pos, literal)
			}
		}
	}
}

// What a client is counted by is said once, in limit: an address alone would be counted by nobody who has as many as they like.
func TestClientsAreCountedAlike(t *testing.T) {
	counts := regexp.MustCompile(`limit\.(?:Take|Demand|Peek|Try|Forgive)\([^\n]*(?:\bIP\b|(?i:netip|network)\w*\()`)
	for _, f := range source(t) {
		if from, _ := room(f.dir()); f.test || from == "limit" {
			continue
		}
		for _, found := range counts.FindAllString(f.text, -1) {
			t.Errorf("%s: %s: a client is counted by TakeClient, DemandClient and RefundClient", f.path, found)
		}
	}
}

// callers are the files that connect to somewhere, and to where. What an administrator may name is for package outbound alone.
var callers = map[string]string{
	"outbound/outbound.go":     "to where administrators say",
	"mail/connection.go":       "to the mail server that the operator names",
	"db/hosts.go":              "to the database that the operator names",
	"cmd/rekey/healthcheck.go": "to the operator's own server",
	"cmd/rekey/audit.go":       "to the installation that the operator asks",
}

func TestOnlyOutboundCallsWhereAdministratorsSay(t *testing.T) {
	calls := regexp.MustCompile(`\bhttp\.(?:Client\{|Transport\{|DefaultClient|Get\(|Post|Head\()|\bnet\.Dial|\btls\.Dial`)
	for _, f := range source(t) {
		if _, known := callers[f.path]; f.test || known || within(f.dir(), "test") || supports(f.dir()) {
			continue
		}
		if found := calls.FindString(f.text); found != "" {
			t.Errorf("%s connects to somewhere by itself (%s); addresses that administrators give are for package outbound", f.path, found)
		}
	}
}

func TestEachMigratedTableIsOwned(t *testing.T) {
	made := regexp.MustCompile(`(?i)CREATE\s+(?:TABLE|VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?([a-z][a-z0-9_]*)`)
	each(t, func(name string, text []byte) {
		if path.Ext(name) != ".sql" {
			return
		}
		for _, m := range made.FindAllSubmatch(text, -1) {
			if _, ok := owners[string(m[1])]; !ok {
				t.Errorf("%s makes %s, which nobody owns; add it to owners", name, m[1])
			}
		}
	})
}

func TestFilesStayReadable(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range source(t) {
		documented[f.dir()] = documented[f.dir()] || f.ast.Doc != nil || f.test
		if n := strings.Count(f.text, "\n"); n > maxLines && !f.test {
			t.Errorf("%s has %d lines; at most %d", f.path, n, maxLines)
		}
		for _, part := range strings.FieldsFunc(f.path, func(r rune) bool { return strings.ContainsRune("/._", r) }) {
			if slices.Contains(vague, part) {
				t.Errorf("%s: %q says nothing about what is inside", f.path, part)
			}
		}
		for _, decl := range f.ast.Decls {
			checkTypeNames(t, f, decl)
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: the package has no comment that says what it promises", dir)
		}
	}
}

func checkTypeNames(t *testing.T, f file, decl ast.Decl) {
	t.Helper()
	group, ok := decl.(*ast.GenDecl)
	if !ok || group.Tok != token.TYPE {
		return
	}
	for _, spec := range group.Specs {
		name := spec.(*ast.TypeSpec).Name
		for _, end := range []string{"Manager", "Helper", "Util", "Utils", "Impl"} {
			if strings.HasSuffix(name.Name, end) {
				t.Errorf("%s: type %s says nothing about what it is", f.fset.Position(name.Pos()), name.Name)
			}
		}
	}
}

// A test that sleeps is slow when the machine is fast and wrong when it is slow.
func TestNoTestSleeps(t *testing.T) {
	for _, f := range source(t) {
		if !f.test && !within(f.dir(), "test") && !supports(f.dir()) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if pkg, isIdent := identOf(call, ok); isIdent && pkg == "time" && call.Sel.Name == "Sleep" {
				t.Errorf("%s: wait for what must happen, not for time to pass", f.fset.Position(n.Pos()))
			}
			return true
		})
	}
}

// ownClocks are the files that look at the machine's clock, and what for. Whether something has expired, is allowed or has its turn
// is for db.Tx.Now alone: the clocks of nodes differ.
var ownClocks = map[string]string{
	"db/tx.go":                    "it is the database's clock where the database is a file",
	"db/group.go":                 "how long a transaction held the database",
	"web/web.go":                  "how long ago things were, on pages",
	"web/stack.go":                "how long a request took",
	"fair/gate.go":                "how long somebody waited",
	"app/health.go":               "how old an answer about health is",
	"app/breached.go":             "when a list was made",
	"secret/breached/breached.go": "the same",
	"console/incident.go":         "how long a report may take to be read",
	"app/demo/past.go":            "the demo's made-up past",
	"customer/import.go":          "when accounts without a date were confirmed: now",
	"customer/profile.go":         "the calendar day that nobody is born after",
	"incident/work.go":            "how long a batch took",
	"mail/lease.go":               "how long ago a lease was asked for, which the database then counts from",
	"mail/queue.go":               "the same",
	"mail/worker.go":              "when the last letter went on, for /readyz",
	"mail/connection.go":          "how long a mail server may take",
	"mailbox/mailbox.go":          "when a letter came to the developer's mailbox",
	"cmd/rekey/customerfile.go":   "progress at the shell",
	"cmd/rekey/incident.go":       "the same",
	"cmd/rekey/healthcheck.go":    "how long to wait for a node",
	"cmd/rekey/oracle/oracle.go":  "what the oracle measures",
}

func TestOnlyTheDatabaseJudgesByTime(t *testing.T) {
	used := map[string]bool{}
	for _, f := range source(t) {
		if f.test || within(f.dir(), "test") || supports(f.dir()) || within(f.dir(), "db/dbtest") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if pkg, isIdent := identOf(sel, ok); isIdent && pkg == "time" && slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name) {
				used[f.path] = true
				if ownClocks[f.path] == "" {
					t.Errorf("%s: ask tx.Now, or say in ownClocks what else this clock is for", f.fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
	for name := range ownClocks {
		if !used[name] {
			t.Errorf("%s looks at no clock any more; take it out of ownClocks", name)
		}
	}
}

func identOf(sel *ast.SelectorExpr, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", false
	}
	return id.Name, true
}

// wholly are the files that read something to its end although no limit stands beside it, and who bounds it.
var wholly = map[string]string{
	"input/input.go":     "it is the bound",
	"web/form.go":        "the server bounds what a client sends",
	"mailbox/mailbox.go": "the developer's mail server bounds an email",
	"mailbox/read.go":    "it is a part of one",
}

// Nobody knows how large a file is that an operator names, or whether it ends (/dev/zero does not): what is read is bounded.
func TestNothingIsReadWithoutABound(t *testing.T) {
	for _, f := range source(t) {
		if f.test || within(f.dir(), "test") || supports(f.dir()) || wholly[f.path] != "" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := called(call)
			bounded := len(call.Args) == 1 && called(call.Args[0]) == "io.LimitReader"
			if name == "os.ReadFile" || name == "bufio.NewScanner" || name == "io.ReadAll" && !bounded {
				t.Errorf("%s: %s knows no bound; package input does", f.fset.Position(n.Pos()), name)
			}
			return true
		})
	}
}

// called is the name of a function of another package that is called, such as os.Open.
func called(n ast.Expr) string {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return ""
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	pkg, ok := identOf(sel, ok)
	if !ok {
		return ""
	}
	return pkg + "." + sel.Sel.Name
}

// Work that is left belongs into an issue, where it can be found and closed.
func TestNothingIsLeftForLater(t *testing.T) {
	mark := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`)
	each(t, func(name string, text []byte) {
		for i, line := range strings.Split(string(text), "\n") {
			if mark.MatchString(line) {
				t.Errorf("%s:%d: %s", name, i+1, strings.TrimSpace(line))
			}
		}
	})
}

// file is one Go file of the repository.
type file struct {
	path string // from the root, with slashes
	text string
	test bool // its name ends in _test.go
	ast  *ast.File
	fset *token.FileSet
}

func (f file) dir() string { return path.Dir(f.path) }

// literals are the string literals of a file with their places.
func (f file) literals() map[string]string {
	found := map[string]string{}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				found[text] = f.fset.Position(lit.Pos()).String()
			}
		}
		return true
	})
	return found
}

type use struct{ verb, table string }

var (
	tableAfter = regexp.MustCompile(`\b(FROM|JOIN|INTO|UPDATE)\s+((?:[a-z][a-z0-9_]*(?:\s+(?:AS\s+)?[a-z][a-z0-9_]*)?\s*,\s*)*[a-z][a-z0-9_]*)`)
	lowerSQL   = regexp.MustCompile(`^\s*(select\s[^.]*\sfrom\s|insert\s+into\s|delete\s+from\s|update\s+[a-z][a-z0-9_]*\s+set\s)`)
)

// tablesUsed finds the tables that a piece of SQL names after FROM, JOIN, INTO or UPDATE.
func tablesUsed(sql string) []use {
	var found []use
	for _, m := range tableAfter.FindAllStringSubmatch(sql, -1) {
		for _, item := range strings.Split(m[2], ",") {
			found = append(found, use{verb: m[1], table: strings.Fields(item)[0]})
		}
	}
	return found
}

func TestTablesUsedAreFound(t *testing.T) {
	rows := []struct {
		sql, want, why string
	}{
		{"SELECT 1 FROM customers c, links l WHERE 1", "[{FROM customers} {FROM links}]", "a comma joins too"},
		{"DELETE FROM links WHERE id = $1", "[{FROM links}]", "deleting names the table after FROM"},
		{"INSERT INTO audit (id) SELECT id FROM x", "[{INTO audit} {FROM x}]", "two tables in one statement"},
		{"UPDATE customers AS c SET a = 1", "[{UPDATE customers}]", "with an alias"},
		{"SELECT 1 FROM (SELECT 2 FROM tokens) t\n LEFT JOIN customers USING (id)", "[{FROM tokens} {JOIN customers}]", "nested"},
		{"Choose from customers", "[]", "prose"},
	}
	for _, r := range rows {
		if got := fmt.Sprint(tablesUsed(r.sql)); got != r.want {
			t.Errorf("%s: %q uses %s, want %s", r.why, r.sql, got, r.want)
		}
	}
}

// room gives the package of the floors that a folder belongs to.
func room(dir string) (string, bool) {
	if dir == "." {
		return "test", true // this file
	}
	for _, floor := range floors {
		for _, name := range floor {
			if within(dir, name) {
				return name, true
			}
		}
	}
	return "", false
}

func level(name string) int {
	return slices.IndexFunc(floors, func(floor []string) bool { return slices.Contains(floor, name) })
}

func within(dir, parent string) bool {
	return dir == parent || strings.HasPrefix(dir, parent+"/")
}

// source parses every Go file of the repository.
func source(t *testing.T) []file {
	t.Helper()
	var files []file
	each(t, func(name string, text []byte) {
		if path.Ext(name) != ".go" {
			return
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		files = append(files, file{path: name, text: string(text), test: strings.HasSuffix(name, "_test.go"),
			ast: parsed, fset: fset})
	})
	return files
}

// each calls f for every text file that belongs to the project.
func each(t *testing.T, f func(name string, text []byte)) {
	t.Helper()
	notOurs := []string{".git", ".cache", "bin", "screenshots", "node_modules"} // made or fetched, ignored by git
	texts := []string{".go", ".sql", ".css", ".js", ".html", ".tmpl", ".md", ".toml", ".sh", ".mod", ".yaml"}
	root := os.DirFS(".")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(notOurs, d.Name()):
			return fs.SkipDir
		case d.IsDir() || !slices.Contains(texts, path.Ext(name)) && d.Name() != "Makefile":
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err == nil {
			f(name, text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// docs/security.md is worth what its tests are worth: each one that it names must exist.
func TestEachPromisedTestExists(t *testing.T) {
	text, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	exists := map[string]bool{}
	for _, f := range source(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test {
				exists[fn.Name.Name] = true
			}
		}
	}
	for _, name := range regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(text), -1) {
		if !exists[name[1]] {
			t.Errorf("docs/security.md promises %s, and there is no such test", name[1])
		}
	}
}
