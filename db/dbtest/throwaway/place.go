package throwaway

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// sweeper waits until its standard input ends, then ends every process that works inside of the folder, and removes it.
// A server's watcher may start it again meanwhile, so it looks until it finds none.
const sweeper = `
read -r _ || true
for look in 1 2 3 4 5 6 7 8 9; do
	found=
	for cwd in /proc/[0-9]*/cwd; do
		case $(readlink "$cwd" 2>/dev/null) in
		"$1" | "$1"/*) pid=${cwd#/proc/}; kill -KILL "${pid%/cwd}" 2>/dev/null; found=yes ;;
		esac
	done
	[ "$found" ] || break
	sleep 0.1
done
rm -rf "$1"
`

// Place is a folder for servers that a test runs in its own way: clusters that it stops and starts again, or fills up.
// Whatever works inside of it ends, and it is gone, after Remove and when the process that made it ends in any other way.
type Place struct {
	Dir      string
	Programs string              // the folder of PostgreSQL's programs
	Account  *syscall.Credential // that the servers run under; nil: the one that runs the tests

	alive io.Closer
	cmd   *exec.Cmd
}

// NewPlace makes one. The error is ErrNotInstalled (errors.Is) when the machine has no PostgreSQL.
func NewPlace() (*Place, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := folder(account)
	if err != nil {
		return nil, err
	}
	p := &Place{Dir: dir, Programs: bin, Account: account, cmd: exec.Command("sh", "-c", sweeper, "sweeper", dir)}
	p.cmd.Dir = "/"
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setpgid: true} // Ctrl-C is not for it
	if p.alive, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return p, nil
}

// Remove ends what still runs in the folder, and the folder.
func (p *Place) Remove() {
	p.alive.Close()
	p.cmd.Wait() // its exit status says nothing
}
