package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db/dbtest/throwaway"
)

// secretWord is the password of a role; no sentence may hold it.
const secretWord = "grün/gold@7"

// What is wrong with a PostgreSQL, or with its address, is said in one sentence with what there is to do; no sentence holds the password.
func TestWhatIsWrongWithPostgreSQLIsOneSentence(t *testing.T) {
	beside(t)
	place := newPlace(t)
	c := newCluster(t, place, "pg")
	serverCertificate(t, place, c.data, "db.lune.example")
	c.set("ssl = on", "max_connections = 12")
	c.own(filepath.Join(c.data, "pg_hba.conf"), "host all postgres 127.0.0.1/32 trust\nhostssl all tls 127.0.0.1/32 trust\n"+
		"host all tls 127.0.0.1/32 reject\nhost all outside 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 scram-sha-256\n")
	c.restart()
	plain := newCluster(t, place, "plain", "fsync = off")
	for _, statement := range []string{"CREATE ROLE rekey LOGIN PASSWORD '" + secretWord + "'", "CREATE ROLE guest LOGIN PASSWORD '" + secretWord + "'",
		"CREATE ROLE tls LOGIN", "CREATE ROLE outside LOGIN", "CREATE ROLE asleep PASSWORD '" + secretWord + "'", "CREATE ROLE crowd LOGIN PASSWORD '" + secretWord + "' CONNECTION LIMIT 0",
		"CREATE DATABASE rekey OWNER rekey", "CREATE DATABASE closed", "REVOKE ALL ON DATABASE closed FROM PUBLIC",
		"CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0 OWNER rekey"} {
		if err := c.exec(statement); err != nil {
			t.Fatal(statement, err)
		}
	}
	at := func(role, database, more string) string {
		return "postgres://" + role + ":gr%C3%BCn%2Fgold%407@127.0.0.1:" + c.port + "/" + database + "?" + more
	}
	gone := freePort(t)
	pooled := func(settings ...string) string {
		t.Helper()
		return strings.Replace(behind(t, c.url("rekey"), "session", settings...), "postgres://postgres@", "postgres://postgres:gr%C3%BCn%2Fgold%407@", 1)
	}
	missing := filepath.Join(t.TempDir(), "ca.pem")
	for what, row := range map[string]struct {
		database string
		flags    []string
		says     []string
	}{
		"another database":        {database: at("rekey", "shop", ""), says: []string{`database "shop" does not exist`, `CREATE DATABASE "shop" OWNER "rekey" ENCODING 'UTF8'`}},
		"another role":            {database: at("reky", "rekey", ""), says: []string{"authentication failed", "check the password"}}, // scram does not tell
		"no such role":            {database: "postgres://nobody@127.0.0.1:" + plain.port + "/postgres", says: []string{`role "nobody" does not exist`, `CREATE ROLE "nobody" LOGIN`}},
		"another password":        {database: strings.Replace(at("rekey", "rekey", ""), "gold", "geld", 1), says: []string{"authentication failed", "ALTER ROLE"}},
		"a role that only groups": {database: at("asleep", "rekey", ""), says: []string{"not permitted to log in", `ALTER ROLE "asleep" LOGIN`}},
		"kept out":                {database: at("outside", "rekey", ""), says: []string{"pg_hba.conf"}},
		"kept out without TLS":    {database: at("tls", "rekey", "sslmode=disable"), says: []string{"pg_hba.conf", "sslmode=require"}},
		"a database of others":    {database: at("guest", "closed", ""), says: []string{"permission denied for database", `GRANT CONNECT ON DATABASE "closed" TO "guest"`}},
		"a schema of others":      {database: at("guest", "rekey", ""), says: []string{"permission denied for schema public", "GRANT USAGE, CREATE"}},
		"no schema":               {database: at("rekey", "rekey", "search_path=nowhere"), says: []string{"no schema has been selected", "search_path"}},
		"another encoding":        {database: at("rekey", "latin", ""), says: []string{"LATIN1", "ENCODING 'UTF8' TEMPLATE template0"}},
		"writes are forgotten":    {database: plain.url("postgres"), says: []string{"fsync=off", "--database-durability=provider"}},
		"no room for the role":    {database: at("crowd", "rekey", ""), says: []string{"too many connections", "--database-connections"}},
		"more than there is": {database: at("rekey", "rekey", ""), flags: []string{"--database-connections", "40"},
			says: []string{"--database-connections 40 is more than PostgreSQL has"}},
		"nobody there":            {database: "postgres://rekey@127.0.0.1:" + gone + "/rekey", says: []string{"127.0.0.1:" + gone, "refused"}},
		"no such host":            {database: "postgres://rekey@db.invalid/rekey", says: []string{"the host db.invalid is not known"}},
		"no socket":               {database: "postgres://rekey@/rekey?host=/nowhere", says: []string{"/nowhere/.s.PGSQL.5432", "no such file"}},
		"no TLS there":            {database: "postgres://rekey@127.0.0.1:" + plain.port + "/rekey?sslmode=require", says: []string{"speaks no TLS", "sslmode=disable"}},
		"an unknown authority":    {database: at("rekey", "rekey", "sslmode=verify-full"), says: []string{"signed by nobody", "sslrootcert=FILE"}},
		"another name":            {database: strings.Replace(at("rekey", "rekey", "sslmode=verify-full&sslrootcert="+filepath.Join(c.data, "ca.pem")), "127.0.0.1", "localhost", 1), says: []string{"db.lune.example", "use the name"}},
		"no such authority":       {database: at("rekey", "rekey", "sslmode=verify-full&sslrootcert="+missing), says: []string{missing, "no such file"}},
		"a password as it is":     {database: "postgres://rekey:" + secretWord + "@127.0.0.1/rekey", says: []string{"cannot be read", "%XX"}},
		"no such mode":            {database: at("rekey", "rekey", "sslmode=perhaps"), says: []string{"sslmode is invalid"}},
		"a setting, pooled":       {database: pooled() + "&search_path=public", says: []string{"search_path", `ALTER ROLE "postgres" SET`}},
		"a full pooler":           {database: pooled("max_client_conn = 0"), says: []string{"no more connections", "max_client_conn"}},
		"statements only":         {database: strings.Replace(behind(t, c.url("rekey"), "statement"), "postgres://", "postgresql://", 1), says: []string{"pool_mode = transaction"}},
		"provider for SQLite":     {database: "sqlite:" + filepath.Join(t.TempDir(), "x.db"), flags: []string{"--database-durability=provider"}, says: []string{"about PostgreSQL"}},
		"three connections":       {database: at("rekey", "rekey", ""), flags: []string{"--database-connections", "3"}, says: []string{"at least 4"}},
		"an unknown kind of disk": {database: at("rekey", "rekey", ""), flags: []string{"--database-durability=hope"}, says: []string{"server", "provider"}},
	} {
		t.Run(strings.ReplaceAll(what, " ", "_"), func(t *testing.T) {
			_, said, exit := command(t, "", append([]string{"migrate", "--database", row.database}, row.flags...)...)
			if exit == 0 {
				t.Fatal("it worked")
			}
			said = strings.TrimSpace(strings.Replace(said, "Try: rekey --help", "", 1))
			for _, part := range row.says {
				if !strings.Contains(said, part) {
					t.Errorf("it does not say %q: %s", part, said)
				}
			}
			for _, part := range []string{"SQLSTATE", "failed to connect", "\n", secretWord, "gr%C3", "gold"} {
				if strings.Contains(said, part) {
					t.Errorf("it says %q: %s", part, said)
				}
			}
		})
	}
}

// own writes a file of the server's.
func (c *cluster) own(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if account := c.place.Account; account != nil {
		if err := os.Chown(name, int(account.Uid), int(account.Gid)); err != nil {
			c.t.Fatal(err)
		}
	}
}

// behind gives the address behind a PgBouncer of the test's own.
func behind(t *testing.T, database, mode string, settings ...string) string {
	t.Helper()
	pooled, err := newPlace(t).Pooler(database, mode, settings...)
	if errors.Is(err, throwaway.ErrNoPooler) && !complete() {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pooled
}

// eachWayToPostgres runs f on a database that is reached directly, and behind a pooler of each mode. Of the one that hands connections on
// after each transaction there are few.
func eachWayToPostgres(t *testing.T, f func(t *testing.T, database string)) {
	t.Helper()
	t.Run("direct", func(t *testing.T) { f(t, onPostgres(t)) })
	for mode, size := range map[string]string{"session": "60", "transaction": "4"} {
		t.Run(mode, func(t *testing.T) {
			f(t, behind(t, onPostgres(t), mode, "default_pool_size = "+size, "max_client_conn = 200"))
		})
	}
}

// serverCertificate makes a server's certificate for a name, and that of whoever signed it, which is itself.
func serverCertificate(t *testing.T, place *throwaway.Place, folder, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	signed, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, place: place}
	for file, block := range map[string]*pem.Block{"server.crt": {Type: "CERTIFICATE", Bytes: signed}, "ca.pem": {Type: "CERTIFICATE", Bytes: signed},
		"server.key": {Type: "PRIVATE KEY", Bytes: private}} {
		c.own(filepath.Join(folder, file), string(pem.EncodeToMemory(block)))
	}
}

// guided are the blocks of SQL in the guide, each of lines that an administrator would paste into psql.
func guided(t *testing.T) (blocks []string) {
	t.Helper()
	guide, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile(`(?m)(?:^    .*\n)+`).FindAllString(string(guide), -1) {
		if strings.Contains(block, "CREATE ROLE") {
			blocks = append(blocks, block)
		}
	}
	return blocks
}

// The lines of the guide make a database that a store needs no more rights in than they give: its owner migrates, and a role that owns
// nothing serves.
func TestTheRolesOfTheGuideAreEnough(t *testing.T) {
	beside(t)
	place := newPlace(t)
	c := newCluster(t, place, "pg")
	c.own(filepath.Join(c.data, "pg_hba.conf"), "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
	c.restart()
	blocks := guided(t)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of SQL", len(blocks))
	}
	for _, block := range blocks {
		file := filepath.Join(place.Dir, "block.sql")
		c.own(file, block)
		c.run("psql", "-X", "-v", "ON_ERROR_STOP=1", "-f", file, c.url("postgres"))
	}
	passwords := regexp.MustCompile(`ROLE (\S+) LOGIN PASSWORD '(.*)'`).FindAllStringSubmatch(strings.Join(blocks, ""), -1)
	address := func(i int) string {
		return "postgres://" + passwords[i][1] + ":" + passwords[i][2] + "@127.0.0.1:" + c.port + "/rekey"
	}
	if _, said, exit := command(t, "", "migrate", "--database", address(0)); exit != 0 {
		t.Fatal(said)
	}
	s := newStoreOn(t, address(1), append([]string{"--no-migrate"}, quick...)...)
	s.noLimits()
	s.customer(shopper, "Camille", "Durand", oldPassword)
	s.administrator()
	browser := newCaller(s.url)
	if got := browser.forgot(shopper); got.acknowledges() != nil {
		t.Fatal(got)
	}
	if got := browser.recover(s.post.wait(shopper, 1).link(), newPassword); !got.worked() {
		t.Fatal(got)
	}
	if token, got := browser.token(shopper, newPassword); browser.me(token).status != http.StatusOK {
		t.Error(got)
	}
	file := filepath.Join(t.TempDir(), "two.csv")
	if err := os.WriteFile(file, []byte("id,email,firstname,lastname,website\n4711,zoe@lune.example,Zoe,Blanc,base\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.rekey("", "customer", "import", file) // ids of its own move the sequence
	s.customer("yann@lune.example", "Yann", "Roux", oldPassword)
}

// A PostgreSQL that reports fsync=off is used where the operator says that its provider keeps what was written; log and audit say so.
func TestADurableProviderIsDeclaredAndRecorded(t *testing.T) {
	beside(t)
	c := newCluster(t, newPlace(t), "pg", "fsync = off", "full_page_writes = off")
	database, data := c.database("rekey"), t.TempDir()
	args := []string{"serve", "--dev", "--listen", "127.0.0.1:0", "--data", data, "--database", database, "--secret-key-file", keyFile(t, data)}
	serve := func(flags ...string) string {
		node := launch(t, append(slices.Clone(args), flags...)...)
		_, address := node.line("")
		node.ready(address)
		node.stop()
		return node.said()
	}
	recorded := func() (told string) {
		pool, err := sql.Open("pgx", database)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		err = pool.QueryRow(`SELECT COALESCE(string_agg(detail::text, ' | ' ORDER BY id), '') FROM audit WHERE action = 'database.durability_changed'`).Scan(&told)
		if err != nil {
			t.Fatal(err)
		}
		return told
	}
	for _, row := range []struct {
		flags   []string
		settled bool // the server keeps what was written by itself
		entries int
	}{{[]string{"--database-durability=provider"}, false, 1}, {[]string{"--database-durability", "provider"}, false, 1}, {nil, true, 2}} {
		if row.settled {
			c.set("fsync = on", "full_page_writes = on")
			c.restart()
		}
		said := serve(row.flags...)
		if strings.Contains(said, "fsync and full_page_writes") == row.settled {
			t.Errorf("%v: the log says %s", row.flags, said)
		}
		if told := recorded(); strings.Count(told, "its provider") != row.entries || strings.Count(told, "the server") != row.entries {
			t.Errorf("%v: the audit says %s", row.flags, told)
		}
	}
}
