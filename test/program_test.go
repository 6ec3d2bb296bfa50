package test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// starting bounds how long the program may take until it answers, migrations included.
const starting = 30 * time.Second

// command runs the program to its end, as at a shell, and gives what it said.
func command(t *testing.T, stdin string, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Env = environment()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &complaints
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), complaints.String(), cmd.ProcessState.ExitCode()
}

// environment is ours without any REKEY_ variable, which would change what the program does.
func environment() []string {
	var kept []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "REKEY_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// program is one running server of ours.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended, once done is closed

	mu       sync.Mutex
	out, log bytes.Buffer // what it has written so far
}

// launch starts the program with these arguments. When the test ends it is told to stop, and killed if it does not.
func launch(t *testing.T, args ...string) *program {
	t.Helper()
	return launchWith(t, nil, args...)
}

// launchWith is launch with more variables in the environment.
func launchWith(t *testing.T, variables []string, args ...string) *program {
	t.Helper()
	return launchUnder(t, "", variables, args...)
}

// launchUnder is launchWith after a shell has set limits, such as "ulimit -n 256".
func launchUnder(t *testing.T, limits string, variables []string, args ...string) *program {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return launchOf(t, path, limits, variables, args...)
}

// launchOf is launchUnder for any build of the program.
func launchOf(t *testing.T, path, limits string, variables []string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(path, args...), done: make(chan struct{})}
	if limits != "" {
		p.cmd = exec.Command("sh", append([]string{"-c", limits + ` && exec "$0" "$@"`, path}, args...)...)
	}
	p.cmd.Env = append(environment(), variables...)
	leaveWithUs(p.cmd)
	p.cmd.Stdout, p.cmd.Stderr = p.recorder(&p.out), p.recorder(&p.log)
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // what leaveWithUs asks for happens at the end of the thread, not of the process
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.runs() && !t.Failed() {
			p.stop() // so each test also shows that the program ends well when asked to
		}
		p.kill()
		if t.Failed() {
			t.Logf("the program said:\n%s", p.said())
		}
	})
	return p
}

// recorder keeps what the program writes.
func (p *program) recorder(into *bytes.Buffer) io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return into.Write(b)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// said is everything that the program has written, answers first.
func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String() + p.log.String()
}

// printed is what the program has written to its standard output.
func (p *program) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

var anAddress = regexp.MustCompile(`https?://[^\s"'<>]+`)

// line waits for a whole printed line that contains these words and gives it with its address.
func (p *program) line(words string) (line, address string) {
	p.t.Helper()
	err := eventually(starting, func() error {
		if !p.runs() {
			p.t.Fatalf("the program ended: %v\n%s", p.err, p.said())
		}
		text := p.printed()
		scanner := bufio.NewScanner(strings.NewReader(text[:strings.LastIndexByte(text, '\n')+1]))
		for scanner.Scan() {
			if found := anAddress.FindString(scanner.Text()); found != "" && strings.Contains(scanner.Text(), words) {
				line, address = scanner.Text(), strings.TrimRight(found, "/.,")
				return nil
			}
		}
		return fmt.Errorf("no line with an address and %q", words)
	})
	if err != nil {
		p.t.Fatalf("%v; it said:\n%s", err, p.said())
	}
	return line, address
}

// ready waits until the server at this address says that everything it needs is there.
func (p *program) ready(address string) {
	p.t.Helper()
	err := eventually(starting, func() error {
		response, err := http.Get(address + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz: %s", response.Status)
		}
		return nil
	})
	if err != nil {
		p.t.Fatalf("%v; it said:\n%s", err, p.said())
	}
}

// runs tells whether the program has not ended yet.
func (p *program) runs() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the program as a power cut would: without a word.
func (p *program) kill() {
	p.cmd.Process.Kill() // it may have ended already, which is as good
	<-p.done
}

// stop asks the program to end, as a service manager does, and fails unless it does so soon and content.
func (p *program) stop() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already; then its exit tells
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("the program did not stop within %v; it said:\n%s", patience, p.said())
	}
	if p.err != nil {
		p.t.Errorf("asked to stop, the program ended with %v; it said:\n%s", p.err, p.said())
	}
}

// ended waits until the program has ended by itself and gives its exit status.
func (p *program) ended() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(starting):
		p.t.Fatalf("the program still runs; it said:\n%s", p.said())
	}
	return p.cmd.ProcessState.ExitCode()
}
