package throwaway_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db/dbtest/throwaway"
)

// asChild makes this test's program start a server and wait to be killed.
const asChild = "REKEY_TEST_THROWAWAY_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) != "" {
		server, err := throwaway.Start(context.Background())
		fmt.Println(address(server), err)
		select {} // until killed
	}
	os.Exit(m.Run())
}

func address(s *throwaway.Server) string {
	if s == nil {
		return ""
	}
	return s.URL
}

func TestServerLeavesWithItsProcess(t *testing.T) {
	skipWithout(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), asChild+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	dir := folder(t, lines.Text())
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the running server has no folder: %v", err)
	}
	child.Process.Kill()
	child.Wait() // killed, as wanted
	vanishes(t, dir)
}

func TestStopLeavesNothing(t *testing.T) {
	skipWithout(t)
	server, err := throwaway.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, server.URL)
	server.Stop()
	vanishes(t, dir)
	server.Stop() // twice is as good as once
}

// What was committed is there after a crash, and what was not is not.
func TestACrashedServerRecovers(t *testing.T) {
	skipWithout(t)
	ctx := context.Background()
	server, err := throwaway.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	pool, err := sql.Open("pgx", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, `CREATE TABLE kept (n INT); INSERT INTO kept VALUES (1)`); err != nil {
		t.Fatal(err)
	}
	open, err := pool.BeginTx(ctx, nil)
	if err == nil {
		_, err = open.ExecContext(ctx, `INSERT INTO kept VALUES (2)`)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Crash(); err != nil {
		t.Fatal(err)
	}
	if err := pool.PingContext(ctx); err == nil {
		t.Error("the crashed server answers")
	}
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := pool.QueryRowContext(ctx, `SELECT COUNT(*) FROM kept`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows after the crash, want the one that was committed: %v", n, err)
	}
}

func skipWithout(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts PostgreSQL")
	}
	server, err := throwaway.Start(context.Background())
	if errors.Is(err, throwaway.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
}

func folder(t *testing.T, line string) string {
	t.Helper()
	var raw string
	if _, err := fmt.Sscan(line, &raw); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	u, err := url.Parse(raw)
	if err != nil || u.Query().Get("host") == "" {
		t.Fatalf("no server in %q: %v", line, err)
	}
	return u.Query().Get("host")
}

func vanishes(t *testing.T, dir string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s is still there", dir)
		}
	}
}
