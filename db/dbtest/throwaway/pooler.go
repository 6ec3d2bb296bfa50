package throwaway

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrNoPooler says that this machine has no PgBouncer.
var ErrNoPooler = errors.New("PgBouncer is not installed (Debian: apt install pgbouncer)")

// poolerPort names the pooler's socket.
const poolerPort = "6432"

// Pooler runs a PgBouncer of the place's own before the server of an address, whose role needs no password, and gives the address of the
// same database behind it. mode is pool_mode; settings are lines of its configuration.
func (p *Place) Pooler(server, mode string, settings ...string) (string, error) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program = "/usr/sbin/pgbouncer"; !isFile(program) {
			return "", ErrNoPooler
		}
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	host, port := u.Hostname(), u.Port()
	if folder := u.Query().Get("host"); folder != "" {
		host, port = folder, u.Query().Get("port")
	}
	if port == "" {
		port = "5432"
	}
	users := filepath.Join(p.Dir, "users.txt")
	lines := []string{"[databases]", fmt.Sprintf("* = host=%s port=%s", host, port), "[pgbouncer]", "listen_addr =", "listen_port = " + poolerPort,
		"unix_socket_dir = " + p.Dir, "auth_type = trust", "auth_file = " + users, "pool_mode = " + mode, "logfile = " + filepath.Join(p.Dir, "pooler.log")}
	conf := filepath.Join(p.Dir, "pgbouncer.ini")
	for name, text := range map[string]string{conf: strings.Join(append(lines, settings...), "\n") + "\n", users: fmt.Sprintf("%q \"\"\n", u.User.Username())} {
		if err := p.write(name, text); err != nil {
			return "", err
		}
	}
	cmd := exec.Command(program, "-q", conf)
	cmd.Dir = p.Dir // so that the place's sweeper finds it
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.Account, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	socket := filepath.Join(p.Dir, ".s.PGSQL."+poolerPort)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range int(patience / (10 * time.Millisecond)) {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			u.Host = ""
			u.RawQuery = url.Values{"host": {p.Dir}, "port": {poolerPort}, "sslmode": {"disable"}}.Encode()
			return u.String(), nil
		}
		select {
		case err := <-ended:
			log, _ := os.ReadFile(filepath.Join(p.Dir, "pooler.log"))
			return "", fmt.Errorf("PgBouncer ended: %w: %s", err, log)
		case <-tick.C:
		}
	}
	return "", errors.New("PgBouncer did not answer")
}

// write makes a file that the place's account may read.
func (p *Place) write(name, text string) error {
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		return err
	}
	if p.Account == nil {
		return nil
	}
	return os.Chown(name, int(p.Account.Uid), int(p.Account.Gid))
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
