package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/secret"
)

// maxLine bounds what is read of a password, in bytes; the rules of passwords are stricter.
const maxLine = 4096

// readPassword reads the first line of standard input, as it is but for the end of the line.
func (sh shell) readPassword() (secret.Text, error) {
	if file, ok := sh.in.(io.Writer); ok && app.IsTerminal(file) {
		fmt.Fprint(sh.err, "Password (it is shown while you type): ")
	}
	line, err := bufio.NewReader(io.LimitReader(sh.in, maxLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return secret.Text{}, fmt.Errorf("the password cannot be read from standard input: %w", err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	switch {
	case line == "":
		return secret.Text{}, errors.New("no password came on standard input")
	case !utf8.ValidString(line):
		return secret.Text{}, errors.New("the password on standard input is not valid UTF-8")
	}
	return secret.NewText(line), nil
}

// passwordOrNew reads the password, or makes one that is to be shown once.
func (sh shell) passwordOrNew(read bool) (password secret.Text, made bool, err error) {
	if read {
		password, err = sh.readPassword()
		return password, false, err
	}
	return secret.NewText(secret.Random().Reveal()[:22]), true, nil // 132 bits
}
