package test

import (
	"os/exec"
	"syscall"
)

// leaveWithUs makes a command end when the test process ends in whatever way, so that a killed run leaves no server.
func leaveWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
