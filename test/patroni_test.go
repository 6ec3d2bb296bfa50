package test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db/dbtest/throwaway"
)

// pairPackages are what the pair needs; scripts/packages.sh installs them.
const pairPackages = "patroni etcd-server python3-etcd"

// pair is two PostgreSQL servers under Patroni, one of them a synchronous standby of the other, on this machine.
type pair struct {
	t     *testing.T
	place *throwaway.Place
	each  [2]*member
}

type member struct {
	name       string
	port, rest string
	patroni    *daemon
}

// How soon Patroni gives a silent primary up, in seconds. Its default is 30; with 20 or more in production the numbers of
// TestFailover grow by the difference.
const pairTTL = 8

const patroniConfig = `
scope: rekey
name: NAME
restapi: {listen: "127.0.0.1:REST", connect_address: "127.0.0.1:REST"}
etcd3: {host: "127.0.0.1:ETCD"}
bootstrap:
  dcs:
    ttl: TTL
    loop_wait: 1
    retry_timeout: 2
    synchronous_mode: true
    postgresql: {use_pg_rewind: true}
  initdb: [{encoding: UTF8}, {locale: C.UTF-8}, {auth: trust}, no-sync]
postgresql:
  listen: "127.0.0.1:PORT"
  connect_address: "127.0.0.1:PORT"
  data_dir: DIR/NAME
  bin_dir: PROGRAMS
  pgpass: DIR/NAME.pgpass
  authentication: {superuser: {username: postgres}, replication: {username: postgres}, rewind: {username: postgres}}
  parameters: {unix_socket_directories: DIR, shared_buffers: 32MB, dynamic_shared_memory_type: mmap}
  pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust", "local all all trust"]
  basebackup: [{checkpoint: fast}]
`

// newPair starts one and waits until the standby is synchronous.
func newPair(t *testing.T) *pair {
	t.Helper()
	for _, program := range []string{"patroni", "etcd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not here, so no failover is tried (Debian: apt-get install %s)", program, pairPackages)
		}
	}
	p := &pair{t: t, place: newPlace(t)}
	client, peer := freePort(t), freePort(t)
	runDaemon(t, p.place, "etcd.log", "etcd", "--data-dir", "etcd", "--name", "one",
		"--listen-client-urls", "http://127.0.0.1:"+client, "--advertise-client-urls", "http://127.0.0.1:"+client,
		"--listen-peer-urls", "http://127.0.0.1:"+peer, "--initial-advertise-peer-urls", "http://127.0.0.1:"+peer,
		"--initial-cluster", "one=http://127.0.0.1:"+peer)
	for i := range p.each {
		m := &member{name: string(rune('a' + i)), port: freePort(t), rest: freePort(t)}
		text := strings.NewReplacer("NAME", m.name, "REST", m.rest, "ETCD", client, "PORT", m.port, "TTL", fmt.Sprint(pairTTL),
			"DIR", p.place.Dir, "PROGRAMS", p.place.Programs).Replace(patroniConfig)
		if err := os.WriteFile(filepath.Join(p.place.Dir, m.name+".yml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		p.each[i] = m
		p.start(m)
	}
	p.isWhole()
	return p
}

func (p *pair) start(m *member) {
	p.t.Helper()
	m.patroni = runDaemon(p.t, p.place, m.name+".log", "patroni", m.name+".yml")
}

// url is the address of a database wherever the primary is.
func (p *pair) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%s,127.0.0.1:%s/%s?sslmode=disable", p.each[0].port, p.each[1].port, database)
}

// roles asks a member who is what.
func (p *pair) roles(m *member) (map[string]string, error) {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get("http://127.0.0.1:" + m.rest + "/cluster")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var said struct {
		Members []struct{ Name, Role, State string }
	}
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		return nil, err
	}
	roles := map[string]string{}
	for _, one := range said.Members {
		if one.State == "running" || one.State == "streaming" {
			roles[one.Role] = one.Name
		}
	}
	return roles, nil
}

// isWhole waits until there are a leader and its synchronous standby, and gives the leader.
func (p *pair) isWhole() (leader *member) {
	p.t.Helper()
	err := eventually(time.Minute, func() error {
		for _, m := range p.each {
			roles, err := p.roles(m)
			switch {
			case err != nil:
				return err
			case roles["leader"] == "" || roles["sync_standby"] == "":
				return fmt.Errorf("the members are %v", roles)
			case roles["leader"] == m.name:
				leader = m
			}
		}
		return nil
	})
	if err != nil {
		p.t.Fatalf("Patroni: %v\n%s\n%s", err, p.each[0].patroni.said(), p.each[1].patroni.said())
	}
	return leader
}

// database makes an empty database.
func (p *pair) database(name string) string {
	p.t.Helper()
	d, err := sql.Open("pgx", p.url("postgres")+"&target_session_attrs=read-write")
	if err != nil {
		p.t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Exec("CREATE DATABASE " + name); err != nil {
		p.t.Fatal(err)
	}
	return p.url(name)
}

// killPrimary takes the primary away with its guardian, as when the machine loses its power.
func (p *pair) killPrimary() *member {
	p.t.Helper()
	m := p.isWhole()
	text, err := os.ReadFile(filepath.Join(p.place.Dir, m.name, "postmaster.pid"))
	if err != nil {
		p.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		p.t.Fatal(err)
	}
	m.patroni.kill()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	return m
}
