package shop

import (
	"fmt"
	"io"
	"strings"
)

// WriteDocs writes docs/configuration.md from the registry.
func WriteDocs(w io.Writer) error {
	var b strings.Builder
	b.WriteString(docsHead)
	section, group := "", ""
	for _, s := range registry {
		if s.Section != section {
			fmt.Fprintf(&b, "\n## %s\n", s.Section)
			section, group = s.Section, ""
		}
		if s.Group != group {
			fmt.Fprintf(&b, "\n### %s\n", s.Group)
			group = s.Group
		}
		writeSetting(&b, s)
	}
	writePresets(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

const docsHead = `# Configuration

<!-- Written by the registry of package shop. Change it there. -->

Settings have Adobe Commerce's paths where Commerce has the setting. They are changed in the console under
**Configuration**, or at the command line, and are in force at once, on every node:

    rekey config set customer/password/max_number_password_reset_requests 3 --scope websites --scope-code base
    rekey config get customer/password/max_number_password_reset_requests
    rekey config show
    rekey config check

A value set for a store view (` + "`stores`" + `) wins over one of its website (` + "`websites`" + `), and that over the default. What is set at a
scope itself wins over what a password preset chosen at the same scope supplies. Times are a number in the unit given
(` + "`24`, `0.5`" + `) or a duration (` + "`90s`, `30m`" + `).
`

func writeSetting(b *strings.Builder, s Setting) {
	fmt.Fprintf(b, "\n#### %s\n\n`%s`\n\n%s\n\n", s.Label, s.Path, s.Help)
	fmt.Fprintf(b, "- Default: %s\n- Values: %s\n- Scopes: %s\n", s.Show(s.Default), s.allowed(), strings.Join(s.Scopes.Kinds(), ", "))
}

// allowed describes the values of a setting in words.
func (s Setting) allowed() string {
	switch s.Type {
	case YesNo:
		return "`1` (Yes), `0` (No)"
	case Choice:
		var options []string
		for _, option := range s.Options {
			options = append(options, fmt.Sprintf("`%s` (%s)", option.Value, option.Label))
		}
		return strings.Join(options, ", ")
	case WebAddress:
		return "an address such as `https://office.shop.example`, or nothing"
	case Time:
		return fmt.Sprintf("%s to %s", s.bound(s.Min), s.bound(s.Max))
	default:
		return fmt.Sprintf("%d to %d", s.Min, s.Max)
	}
}

func writePresets(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Password presets\n\n`%s` supplies the defaults of these settings. The default is `commerce`.\n", PasswordPreset)
	b.WriteString("\n| Preset | Rules | Length | Classes | Spaces | Common passwords | Link |\n|---|---|---:|---:|---|---|---|\n")
	for _, preset := range Presets() {
		fmt.Fprintf(b, "| `%s` | %s |", preset.Code, preset.Help)
		for _, path := range []string{MinimumPasswordLength, RequiredCharacterClasses, AllowWhiteSpace, CommonPasswords, LinkExpirationPeriod} {
			s, _ := Find(path)
			text, ok := preset.Defaults[path]
			if !ok {
				text = s.Default
			}
			fmt.Fprintf(b, " %s |", s.Show(text))
		}
		b.WriteString("\n")
	}
}
